import { type Clock, monotonic } from '../store/values/clock.js';
import type { MaybePromise } from '../store/values/maybe-promise.js';
import { isBusy, toStoreError } from './sqlite-errors.js';

const LONGEST_PAUSE_MS = 25;

/**
 * Does what needs a lock again and again while another process has it.
 *
 * SQLite could wait by itself (`busy_timeout`), but it would keep the event loop waiting too.
 */
export class BusyRetry {
  /** @param timeoutMs how long to try */
  constructor(
    private readonly clock: Clock,
    private readonly timeoutMs: number,
    private readonly file: string,
  ) {}

  /**
   * Answers at once when nobody is in the way.
   *
   * @param work changes nothing when it throws
   * @throws {StorageUnavailableError} when the lock was not given back in time
   * @throws {EventStoreError} for everything else that `work` fails with
   */
  run<T>(work: () => T): MaybePromise<T> {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw toStoreError(error, this.file);
      return this.#runAgain(work);
    }
  }

  async #runAgain<T>(work: () => T): Promise<T> {
    const deadline = monotonic(this.clock) + this.timeoutMs;
    for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      // Several who wait for the same lock are not to come back all at the same time.
      const random = this.clock.random?.() ?? Math.random();
      await new Promise<void>((resolve) => void this.clock.setTimer(resolve, pauseMs * (0.5 + random)));
      try {
        return work();
      } catch (error) {
        if (!isBusy(error) || monotonic(this.clock) >= deadline) throw toStoreError(error, this.file);
      }
    }
  }
}
