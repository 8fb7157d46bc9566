import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from 'nestjs-stream-store';

const LONGEST_DELAY_OF_NODE_MS = 2 ** 31 - 1;

describe('the system clock', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('tells the milliseconds since 1970', () => {
    jest.useRealTimers();
    const before = Date.now();

    const now = systemClock.now();

    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
  });

  it('measures durations by a clock that nobody sets', () => {
    jest.useRealTimers();
    jest.spyOn(Date, 'now').mockReturnValue(0);
    const before = systemClock.monotonic();
    while (systemClock.monotonic() === before);

    expect(systemClock.monotonic()).toBeGreaterThan(before);
    jest.restoreAllMocks();
  });

  it('calls back once, when the delay is over', () => {
    let calls = 0;
    systemClock.setTimer(() => calls++, 1_000);
    jest.advanceTimersByTime(999);
    const early = calls;
    jest.advanceTimersByTime(10_000);

    expect([early, calls]).toEqual([0, 1]);
  });

  it.each([LONGEST_DELAY_OF_NODE_MS + 1, 90 * 86_400_000])(
    'waits %d ms, longer than a timer of Node can',
    (delayMs) => {
      let calls = 0;
      systemClock.setTimer(() => calls++, delayMs);
      jest.advanceTimersByTime(delayMs - 1);
      const early = calls;
      jest.advanceTimersByTime(1);

      expect([early, calls]).toEqual([0, 1]);
    },
  );

  it('does not call back when it was cancelled, early or late in a long wait', () => {
    let calls = 0;
    const cancelShort = systemClock.setTimer(() => calls++, 1_000);
    const cancelLong = systemClock.setTimer(() => calls++, 3 * LONGEST_DELAY_OF_NODE_MS);
    cancelShort();
    jest.advanceTimersByTime(2 * LONGEST_DELAY_OF_NODE_MS);
    cancelLong();
    jest.advanceTimersByTime(4 * LONGEST_DELAY_OF_NODE_MS);

    expect(calls).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
  });
});
