import type { CheckedEventStoreOptions } from '../event-store-options.js';
import { messageOf, stackOf } from '../values/error-text.js';
import { EventLoopTurn } from '../ports/event-loop-turn.js';
import type { RecordedEvent } from '../values/event.js';
import { MOST_BYTES_A_PAGE } from '../values/page-bytes.js';
import type { RetentionBound } from './retention-bound.js';
import type { RetentionClock } from './retention-clock.js';
import type { StorageEngine } from '../ports/storage-engine.js';

const SWEEPS_PER_PERIOD = 10;
const EVENTS_PER_STEP = 1_000;

/** Whoever has to know which events retention removes. */
export interface RemovalWatcher {
  /** Told before they are gone. */
  noteRemoved(events: readonly RecordedEvent[]): void;
}

/**
 * Removes what has expired, a step at a time so that appends go on in between.
 *
 * Reads hide expired events by themselves, from the moment they expire; the sweeper only gives their space back.
 */
export class RetentionSweeper {
  /** How many events were removed since the store was opened. */
  removed = 0;

  #running: Promise<number> | undefined;
  #cancelTimer: (() => void) | undefined;
  #hasStopped = false;

  /**
   * @param clock what time it is for retention
   * @param bound how far it may go
   * @param retainedSince when events must have been recorded to be kept, in milliseconds since 1970
   * @param watchers who is to be told what is removed
   */
  constructor(
    private readonly engine: StorageEngine,
    private readonly options: CheckedEventStoreOptions,
    private readonly clock: RetentionClock,
    private readonly bound: RetentionBound,
    private readonly retainedSince: () => number,
    private readonly watchers: () => readonly RemovalWatcher[],
  ) {}

  start(): void {
    const { retentionDurationMs, clock } = this.options;
    if (retentionDurationMs === 0 || this.#hasStopped) return;
    this.#cancelTimer = clock.setTimer(() => void this.#sweepInBackground(), retentionDurationMs / SWEEPS_PER_PERIOD, {
      background: true,
    });
  }

  /** Ends the timer, and waits for a sweep that is running; but not for ever for an `onExpire` that does not come back. */
  async stop(): Promise<void> {
    this.#hasStopped = true;
    this.#cancelTimer?.();
    if (!this.#running) return;
    const { name, clock, logger, shutdownTimeoutMs } = this.options;
    await new Promise<void>((resolve) => {
      const cancelTimer = clock.setTimer(() => {
        logger.error(
          `Store "${name}": onExpire did not finish within shutdownTimeoutMs (${shutdownTimeoutMs} ms). It is not waited for.`,
        );
        resolve();
      }, shutdownTimeoutMs);
      const end = (): void => {
        cancelTimer();
        resolve();
      };
      this.#running!.then(end, end);
    });
  }

  /** Removes everything that has expired; joins a sweep that is running. @returns how many events were removed */
  sweep(): Promise<number> {
    this.#running ??= this.#removeExpired().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #sweepInBackground(): Promise<void> {
    const { name, logger, metricsCollector } = this.options;
    try {
      await this.sweep();
    } catch (error) {
      logger.error(
        `Store "${name}": a retention sweep failed; the next one tries again: ${messageOf(error)}`,
        stackOf(error),
      );
      metricsCollector.onBackgroundFailure?.({ store: name, operation: 'sweep' });
    }
    this.start();
  }

  async #removeExpired(): Promise<number> {
    if (this.options.retentionDurationMs === 0) return 0;
    const renewingClock = this.clock.renew();
    if (renewingClock) await renewingClock;
    const renewing = this.bound.renew();
    if (renewing) await renewing;
    const { upTo } = this.bound;
    // What can still be seen but lies before the bound is needed by nobody, and goes too.
    const expiredBefore = (now: number): number => Math.floor(now - this.options.retentionDurationMs);
    const recordedBefore = Math.min(
      Math.max(this.retainedSince(), expiredBefore(this.clock.now())),
      expiredBefore(this.clock.latestForRemoval()),
    );
    const turn = new EventLoopTurn();
    let total = 0;
    while (!this.#hasStopped) {
      const removed = await this.#removeSome(recordedBefore, upTo);
      if (removed === 0) break;
      total += removed;
      this.removed += removed;
      this.options.metricsCollector.onExpire?.({ store: this.options.name, events: removed });
      await turn.giveBack();
    }
    return total;
  }

  async #removeSome(recordedBefore: number, upTo: number): Promise<number> {
    const { onExpire } = this.options;
    const watchers = this.watchers();
    if (!onExpire && watchers.length === 0) return this.engine.trim({ recordedBefore, upTo, limit: EVENTS_PER_STEP });
    const { events } = await this.engine.readAll({
      after: 0,
      limit: EVENTS_PER_STEP,
      maxBytes: MOST_BYTES_A_PAGE,
      direction: 'forward',
      filter: undefined,
      recordedSince: -Infinity,
    });
    const expired = events.filter(
      ({ recordedAt, globalPosition }) => recordedAt.getTime() < recordedBefore && globalPosition <= upTo,
    );
    if (expired.length === 0) return 0;
    await onExpire?.(expired);
    for (const watcher of watchers) watcher.noteRemoved(expired);
    return this.engine.trim({ recordedBefore, upTo: expired.at(-1)!.globalPosition, limit: expired.length });
  }
}
