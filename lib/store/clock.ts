/** Where the store takes the time from, and chance, so that a test can rule both. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;

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
  random: Math.random,

  setTimer(callback, delayMs, { background = false } = {}) {
    const deadline = Date.now() + delayMs;
    let timer: NodeJS.Timeout;
    const wait = (remainingMs: number): void => {
      timer = setTimeout(
        () => {
          const stillMs = deadline - Date.now();
          if (remainingMs > LONGEST_DELAY_MS && stillMs > 0) wait(stillMs);
          else callback();
        },
        Math.min(remainingMs, LONGEST_DELAY_MS),
      );
      if (background) timer.unref();
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
};
