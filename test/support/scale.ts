import { jest } from '@jest/globals';

/**
 * How much of the data-heavy tests is run: all of it in CI, a tenth at home, and `SCALE=20 npm test` twenty times as much.
 * Each promise is tested at every scale.
 */
export const SCALE = Number(process.env.SCALE ?? (process.env.CI ? 1 : 0.1));

/** A number of runs, rounds or events at this scale. @param least how many the test needs to show anything */
export function scaled(count: number, least = 1): number {
  return Math.max(least, Math.ceil(count * SCALE));
}

/** A time limit in milliseconds: longer where more is run, and as long as ever where less is. */
export function scaledTimeLimit(ms: number): number {
  return ms * Math.max(1, SCALE);
}

// Data-heavy tests may take longer than Jest's five seconds on a busy machine; importing this file gives them the time.
jest.setTimeout(scaledTimeLimit(30_000));
