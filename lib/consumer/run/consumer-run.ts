import { LogForkedError } from '../../store/values/errors.js';
import { internalsOf } from '../../store/store-internals.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { Place } from '../../store/values/place.js';
import type { Subscription, SubscriptionStart } from '../../store/ports/subscription.js';
import { Interrupted } from '../../subscription/interrupted.js';
import type { PlaceMemory } from '../../subscription/place-memory.js';
import type { CheckpointState } from '../checkpoint/checkpoint-state.js';
import type { CheckpointWriter } from '../checkpoint/checkpoint-writer.js';
import type { ConsumerParts } from '../consumer-parts.js';
import type { ParkedStreams } from '../dead-letters/parked-streams.js';
import type { HandlerReport } from '../handling/handler-report.js';
import type { ChangeSignal } from './change-signal.js';
import { WaitingEvents } from './waiting-events.js';

/** How far the log is read ahead for each place: enough to find events of other streams, and a bound for the memory. */
export const EVENTS_WAITING_PER_PLACE = 16;
/** How many events may be handled beyond one that is not: the checkpoint lists them. */
const MOST_EVENTS_AHEAD = 4_096;

/** What a run needs of its consumer. */
export interface RunningConsumer {
  readonly parts: ConsumerParts;
  /** How the log calls it: its name, with the partition. */
  readonly label: string;
  readonly checkpoint: CheckpointState;
  /** Undefined when the handler is not durable. */
  readonly writer: CheckpointWriter | undefined;
  readonly parked: ParkedStreams;
  /** The places that it has come by. */
  readonly places: PlaceMemory;
  readonly report: HandlerReport;
  readonly change: ChangeSignal;
  readonly isRunning: () => boolean;
  /** Whether it is sure that nobody else runs the handler. */
  readonly mayBegin: () => boolean;
  /** @throws {Interrupted} when the consumer was stopped before */
  readonly handle: (event: RecordedEvent) => Promise<unknown>;
  /** Told that the log went back. @param from where it goes on */
  readonly goAstray: (error: LogForkedError, from: Place) => void;
  /** Told that nothing more is read, because the store was closed. */
  readonly ended: () => void;
  /** Told of a failure that stops the handler. */
  readonly failed: (why: string, error: unknown, event?: RecordedEvent) => void;
}

/**
 * What a consumer does from the moment that it takes its place in the log until it pauses, halts or ends.
 *
 * The loop takes events from the log, in order, and lays them in `#waiting`. Whenever there is room, the oldest waiting event
 * whose stream is not busy is handed to the handler; with a concurrency of one, that is the order of the log. Who is late
 * holds the log up, not the memory: at most so many events wait.
 */
export class ConsumerRun {
  readonly #waiting: WaitingEvents;
  /** The streams whose events are at work. */
  readonly #busy = new Set<string>();
  #subscription: Subscription | undefined;
  #loop: Promise<void> | undefined;

  constructor(private readonly consumer: RunningConsumer) {
    this.#waiting = new WaitingEvents(EVENTS_WAITING_PER_PLACE * consumer.parts.options.concurrency);
  }

  get subscription(): Subscription | undefined {
    return this.#subscription;
  }

  /** Resolves when its place in the log was found. @param hasBeenHere whether it got the events before `from` */
  async takePlace(from: SubscriptionStart, hasBeenHere: boolean): Promise<void> {
    const { parts, label, checkpoint, places, report } = this.consumer;
    const { name, store, target, options } = parts;
    const subscription = internalsOf(store).subscribeToAll(target, from, {
      name,
      // The loop has asked for the next event, so every one before was taken.
      onCaughtUp: (position) => this.#passTo(position, this.#subscription?.place.id),
      onGap: ({ trimmedTo }) => this.#passTo(trimmedTo),
      batchSize: options.batchSize,
      // It has told of it.
      onFork: ({ position, head, goesOnAfter }) =>
        this.consumer.goAstray(
          new LogForkedError(`Handler "${label}"`, position, head),
          goesOnAfter === 0 ? { position: 0 } : subscription.place,
        ),
    });
    this.#subscription = subscription;
    try {
      // Asking for the lag waits until the start was found, which is the first position there is to save.
      await subscription.lag();
    } catch (error) {
      await subscription.close();
      throw error;
    }
    const { position, id } = subscription.place;
    // To a subscription, 0 is the beginning of what is kept: it does not tell that something was removed there.
    if (hasBeenHere && position > checkpoint.position) report.gap(checkpoint.position, position);
    checkpoint.passTo(position, id);
    places.cutAt(position);
  }

  /** Begins to hand out events. */
  begin(): void {
    this.#loop = this.#takeEvents();
  }

  /** Takes and hands out nothing more; resolves when no event is at work. */
  async end(): Promise<void> {
    const { change } = this.consumer;
    await this.#subscription?.close();
    this.#waiting.clear();
    change.tell();
    await this.#loop;
    while (this.#busy.size > 0) await change.next();
  }

  /** Resolves when no event of a stream is at work. */
  async idle(streamId: string): Promise<void> {
    while (this.#busy.has(streamId)) await this.consumer.change.next();
  }

  /** Notes that up to a position there is nothing more for the handler. @param id of the event there, if it is known */
  #passTo(position: number, id?: string): void {
    const { checkpoint, places, writer, change } = this.consumer;
    const hasMoved = checkpoint.passTo(position, id);
    places.add({ position, id });
    if (!hasMoved) return;
    writer?.passed();
    change.tell();
  }

  async #takeEvents(): Promise<void> {
    const { parts, checkpoint, places, writer, isRunning } = this.consumer;
    const { partition } = parts;
    try {
      for await (const event of this.#subscription!) {
        if (!isRunning()) return;
        if (partition && !partition.has(event.streamId)) {
          this.#passTo(event.globalPosition, event.id);
          continue;
        }
        const done = checkpoint.take(event);
        places.add({ position: checkpoint.positionOf(event), id: event.id });
        if (checkpoint.wasHandledBefore(event)) {
          done();
          writer?.passed();
        } else {
          this.#waiting.add({ event, done });
        }
        this.#handOut();
        await this.#room();
      }
      if (isRunning()) this.consumer.ended();
    } catch (error) {
      this.consumer.failed('its subscription could not be read', error);
    }
  }

  /** Resolves when more events may be taken: back-pressure for the log. */
  async #room(): Promise<void> {
    const { isRunning, checkpoint, change } = this.consumer;
    while (isRunning() && (this.#waiting.isFull || checkpoint.window >= MOST_EVENTS_AHEAD)) await change.next();
  }

  /** Gives the oldest waiting events to the handler, as long as there is a place and their streams are not busy. */
  #handOut(): void {
    const { parts, checkpoint, writer, parked, change, isRunning, mayBegin } = this.consumer;
    const places = checkpoint.hasSuspects ? 1 : parts.options.concurrency;
    while (isRunning() && this.#busy.size < places && mayBegin()) {
      if (writer?.isFull) {
        void writer.room().then(() => this.#handOut());
        return;
      }
      const waiting = this.#waiting.take(({ streamId }) => !this.#busy.has(streamId));
      if (!waiting) return;
      const { event, done } = waiting;
      if (parked.passesOver(event)) {
        done();
        writer?.changed();
        change.tell();
      } else {
        void this.#work(event, done);
      }
    }
  }

  async #work(event: RecordedEvent, done: () => void): Promise<void> {
    const { checkpoint, writer, change, isRunning, handle, failed } = this.consumer;
    this.#busy.add(event.streamId);
    checkpoint.begun(event);
    try {
      await handle(event);
      checkpoint.clearedOneSuspect();
      done();
      writer?.changed();
    } catch (error) {
      if (!(error instanceof Interrupted)) failed(`it could not handle event ${event.id}`, error, event);
      // Its tenure is over, which nobody has said yet.
      else if (isRunning()) this.#waiting.putBack({ event, done });
    } finally {
      this.#busy.delete(event.streamId);
      change.tell();
      this.#handOut();
    }
  }
}
