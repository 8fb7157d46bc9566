import type { Clock } from '../values/clock.js';

/**
 * What `work` answers, if it does so in time. What it does later changes nothing.
 *
 * @param late what it fails with when the time is over
 */
export async function withinTime<T>(
  clock: Clock,
  timeoutMs: number,
  work: () => Promise<T>,
  late: () => Error,
): Promise<T> {
  let cancelTimer!: () => void;
  const timeout = new Promise<never>((_, reject) => {
    cancelTimer = clock.setTimer(() => reject(late()), timeoutMs);
  });
  try {
    return await Promise.race([work(), timeout]);
  } finally {
    cancelTimer();
  }
}
