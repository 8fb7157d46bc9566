import { performance } from 'node:perf_hooks';

/** Where the store takes the time from, and chance, so that a test can rule both. */
export interface Clock {
  /** Milliseconds since 1970. People and time servers may set it forward and back. */
  now(): number;

  /**
   * Milliseconds since a moment of no meaning. They go on evenly and never back, whatever `now` is set to: what all
   * durations are measured by. Left out, they are measured by `now`.
   */
  monotonic?(): number;

  /**
   * Calls `callback` once, `delayMs` from now.
   *
   * @param background true when the process may end without waiting for it; default false
   * @returns cancels the call, if it is still to come
   */
  setTimer(callback: () => void, delayMs: number, options?: { background?: boolean }): () => void;

  /** A number drawn from 0 up to 1, to spread retries over time. Default `Math.random`. */
  random?(): number;
}

// Node turns a longer delay into one millisecond (Node.js, "Timers", setTimeout).
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** The computer's clock. */
export const systemClock: Required<Clock> = {
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,

  setTimer(callback, delayMs, { background = false } = {}) {
    let timer: NodeJS.Timeout;
    const wait = (remainingMs: number): void => {
      const partMs = Math.min(remainingMs, LONGEST_DELAY_MS);
      timer = setTimeout(() => (remainingMs > partMs ? wait(remainingMs - partMs) : callback()), partMs);
      if (background) timer.unref();
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
};

/** What durations are measured by: see `Clock.monotonic`. */
export function monotonic(clock: Clock): number {
  return clock.monotonic?.() ?? clock.now();
}
