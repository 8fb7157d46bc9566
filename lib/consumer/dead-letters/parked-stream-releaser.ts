import type { EventStore } from '../../store/event-store.js';
import type { Subscription } from '../../store/ports/subscription.js';
import type { DeadLetterStore } from './dead-letter-store.js';
import { Interrupted } from '../../subscription/interrupted.js';
import type { ParkedStreams } from './parked-streams.js';
import { KeyedMutex } from '../keyed-mutex.js';

/** How long after a dead letter has expired its parked stream may go on waiting. */
const ORPHAN_CHECK_MS = 60_000;

/** What releases need of the consumer whose streams are parked. */
export interface ReleasingConsumer {
  readonly name: string;
  readonly store: EventStore;
  readonly deadLetters: DeadLetterStore;
  readonly parked: ParkedStreams;
  readonly isRunning: () => boolean;
  /** Resolves when no event of the stream is at work. */
  readonly idle: (streamId: string) => Promise<void>;
  /** Asks again while the storage is not available. @throws {Interrupted} when the consumer was stopped meanwhile */
  readonly patiently: <Answer>(ask: () => Promise<Answer>) => Promise<Answer>;
  /** Lets the end of the consumer wait for something. */
  readonly whileItLasts: (act: () => Promise<void>) => Promise<void>;
  /** Stops the consumer. */
  readonly halt: (why: string, error: unknown) => void;
}

/** Lets parked streams go on, as soon as no dead letter keeps them waiting any more. */
export class ParkedStreamReleaser {
  /** Of each stream. */
  readonly #turns = new KeyedMutex();
  /** Tells that a dead letter was retried or discarded in another process. */
  #letterChanges: Subscription | undefined;
  #cancelCheck: (() => void) | undefined;

  constructor(private readonly consumer: ReleasingConsumer) {}

  /** Begins to look. @param isShared whether other processes may retry and discard its dead letters */
  start(isShared: boolean): void {
    this.releaseOrphans();
    if (isShared) void this.#watchLetters();
  }

  /** Looks no more. A release that runs goes on. */
  async stop(): Promise<void> {
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
    await this.#letterChanges?.close();
  }

  /** Says that a stream was parked. */
  parked(): void {
    if (!this.#cancelCheck) this.releaseOrphans();
  }

  /** Goes on with a parked stream, unless a dead letter keeps it waiting. One release of a stream follows the other. */
  release(streamId: string): Promise<void> {
    return this.#turns.take(streamId, () => this.#releaseNow(streamId));
  }

  /**
   * Goes on with parked streams that have no dead letter any more: it was retried or discarded by another process, or before
   * the consumer ended; or retention has removed it. Looks again now and then, as long as a stream is parked.
   */
  releaseOrphans(): void {
    const { parked, store, isRunning } = this.consumer;
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
    if (!isRunning() || !parked.isAny) return;
    this.#cancelCheck = store.clock.setTimer(() => this.releaseOrphans(), ORPHAN_CHECK_MS, { background: true });
    const release = async (): Promise<void> => {
      const waiting = await this.#waiting();
      const orphans = parked.list().filter(({ streamId }) => !waiting.has(streamId));
      await Promise.all(orphans.map(({ streamId }) => this.release(streamId)));
    };
    this.consumer.whileItLasts(release).catch((error: unknown) => {
      if (!(error instanceof Interrupted))
        this.consumer.halt('it could not look for the dead letters of parked streams', error);
    });
  }

  async #releaseNow(streamId: string): Promise<void> {
    const { parked, idle, halt } = this.consumer;
    // The letter can be seen, and be gone again, before the stream is parked for it.
    await idle(streamId);
    const parking = parked.parkingOf(streamId);
    if (!parking) return;
    try {
      if ((await this.#waiting()).has(streamId)) return;
      await this.#noteExpiredBehind(streamId);
      // Parked anew meanwhile, for a letter that was not asked about; who ends that one releases it.
      if (parked.parkingOf(streamId) !== parking) return;
      await parked.release(streamId);
    } catch (error) {
      // When the consumer goes on, so does the stream.
      if (error instanceof Interrupted) return;
      halt(`it could not go on with the parked stream "${streamId}"`, error);
      throw error;
    }
  }

  /** The streams that a dead letter keeps waiting. */
  #waiting(): Promise<Set<string>> {
    const { name, deadLetters, patiently } = this.consumer;
    return patiently(() => deadLetters.parkedStreams(name));
  }

  /** Says so when retention has removed events that were passed over. */
  async #noteExpiredBehind(streamId: string): Promise<void> {
    const { name, store, parked, patiently } = this.consumer;
    const stream = parked.list().find((candidate) => candidate.streamId === streamId);
    if (!stream || stream.skippedTo === stream.handledTo) return;
    const { firstPosition } = await patiently(() => store.getStreamInfo(streamId));
    if (firstPosition <= stream.handledTo + 1) return;
    const [from, to] = [stream.handledTo + 1, Math.min(stream.skippedTo, firstPosition - 1)];
    store.logger.warn(
      `${name}: retention removed the events at positions ${from} to ${to} of stream "${streamId}" while it was parked.`,
    );
    store.metricsCollector.onSubscriptionGap?.({ store: store.name, subscription: name });
  }

  async #watchLetters(): Promise<void> {
    const { name, deadLetters, halt } = this.consumer;
    const changes = (this.#letterChanges = deadLetters.endings(name));
    try {
      // From here on none is missed, and those before can be seen.
      await changes.lag();
      this.releaseOrphans();
      for await (const ended of changes.batches()) if (ended.length > 0) this.releaseOrphans();
    } catch (error) {
      halt('its dead letters could not be read', error);
    }
  }
}
