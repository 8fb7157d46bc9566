import type { CheckedEventStoreOptions } from '../event-store-options.js';
import type { StorageEngine } from '../ports/storage-engine.js';
import type { Replay } from './replay.js';
import { RetentionBound } from './retention-bound.js';
import { RetentionClock } from './retention-clock.js';
import { RetentionSweeper } from './retention-sweeper.js';

/**
 * How long events are kept: what is hidden, what is removed, and who has to know.
 *
 * Time comes from the `RetentionClock`, what durable handlers still need from the `RetentionBound`; the `RetentionSweeper`
 * gives space back. Replays in use are told what goes, since they promise what was kept when they were made.
 */
export class Retention {
  readonly #options: CheckedEventStoreOptions;
  readonly #clock: RetentionClock;
  readonly #bound: RetentionBound;
  readonly #sweeper: RetentionSweeper;
  /** Held weakly: a replay that nobody holds any more needs to be told nothing. */
  readonly #replays = new Set<WeakRef<Replay>>();
  #seenSince = -Infinity;

  constructor(engine: StorageEngine, options: CheckedEventStoreOptions) {
    this.#options = options;
    this.#clock = new RetentionClock(engine, options);
    this.#bound = new RetentionBound(engine, options, this.#clock);
    this.#sweeper = new RetentionSweeper(
      engine,
      options,
      this.#clock,
      this.#bound,
      () => this.seenSince(),
      () => this.#replaysInUse(),
    );
  }

  /** How many events were removed since the store was opened. */
  get removed(): number {
    return this.#sweeper.removed;
  }

  /**
   * Since when events must have been recorded to be seen, in milliseconds since 1970. It never goes back, so that what was
   * hidden stays hidden; what is appended is not recorded before it.
   */
  seenSince(): number {
    const { retentionDurationMs } = this.#options;
    if (retentionDurationMs === 0) return -Infinity;
    const expiredBefore = Math.min(Math.floor(this.#clock.now() - retentionDurationMs), this.#bound.neededSince);
    if (!this.#clock.isSet) return expiredBefore;
    this.#seenSince = Math.max(this.#seenSince, expiredBefore);
    return this.#seenSince;
  }

  /** Asks the engine what time it is, and what durable handlers need. To be called when it has been opened. */
  async open(): Promise<void> {
    await this.#clock.renew();
    if (this.#options.keepForDurable) await this.#bound.renew();
  }

  /** Begins to remove what expires, in the background. */
  start(): void {
    this.#sweeper.start();
  }

  /** Ends that; waits for a sweep that is running. */
  stop(): Promise<void> {
    return this.#sweeper.stop();
  }

  /** Removes what has expired now. @returns how many events were removed */
  sweep(): Promise<number> {
    return this.#sweeper.sweep();
  }

  /** Has a replay told which of its events are removed before it has read them. */
  watch(replay: Replay): void {
    if (this.#options.retentionDurationMs > 0) this.#replays.add(new WeakRef(replay));
  }

  /** Whether retention is to wait for a durable handler that it does not know of yet. */
  lacks(handler: string): boolean {
    return this.#bound.lacks(handler);
  }

  /** Asks again what durable handlers need. */
  async renewBound(): Promise<void> {
    await this.#bound.renew();
  }

  /** Begins anew, after everything that was kept has gone. */
  async reset(): Promise<void> {
    this.#replays.clear();
    this.#seenSince = -Infinity;
    await this.#bound.renew();
  }

  #replaysInUse(): Replay[] {
    const inUse: Replay[] = [];
    for (const reference of this.#replays) {
      const replay = reference.deref();
      if (replay) inUse.push(replay);
      else this.#replays.delete(reference);
    }
    return inUse;
  }
}
