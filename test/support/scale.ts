import { jest } from '@jest/globals';

/** How much larger than usual the data-heavy tests are to be: `SCALE=20 npm test`. */
export const SCALE = Number(process.env.SCALE ?? 1);

// Data-heavy tests may take longer than Jest's five seconds on a busy machine; importing this file gives them the time.
jest.setTimeout(30_000 * SCALE);
