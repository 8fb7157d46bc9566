import { describe, expect, it } from '@jest/globals';
import { type Clock, systemClock, ValidationError } from 'nestjs-stream-store';
import { checkRetryOptions, DEFAULT_RETRY_OPTIONS, retryDelayMs } from '../../lib/consumer/retry-policy.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { Random } from '../support/worlds/random.js';

/** A clock that draws this number. */
const drawing = (drawn: number) => new ManualClock(0, { random: drawn });

describe('the wait before the next attempt', () => {
  const options = { attempts: 10, initialDelayMs: 100, maxDelayMs: 1_000, factor: 2 };

  it.each([
    [1, 100],
    [2, 200],
    [3, 400],
    [4, 800],
    [5, 1_000],
    [9, 1_000],
    [999, 1_000],
  ])('after attempt %i lies between nothing and %i ms', (attempt, longest) => {
    expect(retryDelayMs(attempt, options, drawing(0))).toBe(0);
    expect(retryDelayMs(attempt, options, drawing(0.5))).toBe(longest / 2);
    expect(retryDelayMs(attempt, options, drawing(0.999_999))).toBeCloseTo(longest, 1);
  });

  it('is drawn anew each time, and from the whole range', () => {
    const random = new Random(1);
    const clock = new ManualClock(0, { random: () => random.below(1_000_000) / 1_000_000 });

    const delays = Array.from({ length: 2_000 }, () => retryDelayMs(3, options, clock));

    const tenths = new Set(delays.map((delay) => Math.floor(delay / 40)));
    expect(tenths.size).toBe(10);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThan(400);
  });

  it('comes from chance when the clock has none of its own', () => {
    const { now, setTimer } = systemClock;
    const clock: Clock = { now, setTimer };

    const delays = Array.from({ length: 50 }, () => retryDelayMs(1, options, clock));

    expect(new Set(delays).size).toBeGreaterThan(1);
    for (const delay of delays) {
      expect(delay).toBeGreaterThanOrEqual(0);
      expect(delay).toBeLessThan(100);
    }
  });

  it('does not grow with a factor of 1', () => {
    expect([1, 2, 50].map((attempt) => retryDelayMs(attempt, { ...options, factor: 1 }, drawing(0.5)))).toEqual([
      50, 50, 50,
    ]);
  });

  it('can be nothing at all', () => {
    expect(retryDelayMs(5, { ...options, initialDelayMs: 0 }, drawing(0.9))).toBe(0);
    expect(retryDelayMs(5, { ...options, maxDelayMs: 0 }, drawing(0.9))).toBe(0);
  });

  it('is never longer than the longest, also when that is less than the first', () => {
    expect(retryDelayMs(1, { ...options, initialDelayMs: 5_000 }, drawing(0.5))).toBe(500);
  });

  it.each([0, 100])(
    'is a number after the last of a thousand attempts from %i ms, whatever the factor',
    (initialDelayMs) => {
      const delay = retryDelayMs(1_000, { ...options, initialDelayMs, factor: 1e9 }, drawing(0.5));

      expect(delay).toBe(initialDelayMs === 0 ? 0 : 500);
    },
  );
});

describe('retry options', () => {
  it('have their defaults', () => {
    expect(checkRetryOptions({}, 'retry', 5)).toEqual({ ...DEFAULT_RETRY_OPTIONS, attempts: 5 });
    expect(checkRetryOptions({ attempts: undefined, factor: 3 }, 'retry', 1)).toEqual({
      attempts: 1,
      initialDelayMs: 100,
      maxDelayMs: 30_000,
      factor: 3,
    });
  });

  it.each([
    { attempts: 1, initialDelayMs: 0, maxDelayMs: 0, factor: 1 },
    { attempts: 1_000, initialDelayMs: 1e9, maxDelayMs: 1e12, factor: 1.5 },
  ])('may be at their bounds: %j', (options) => {
    expect(checkRetryOptions(options, 'retry', 5)).toEqual(options);
  });

  it.each<[string, unknown]>([
    ['retry.attempts', { attempts: 0 }],
    ['retry.attempts', { attempts: -1 }],
    ['retry.attempts', { attempts: 1.5 }],
    ['retry.attempts', { attempts: 1_001 }],
    ['retry.attempts', { attempts: Infinity }],
    ['retry.attempts', { attempts: NaN }],
    ['retry.attempts', { attempts: '5' }],
    ['retry.attempts', { attempts: null }],
    ['retry.attempts', { attempts: 5n }],
    ['retry.attempts', { attempts: Symbol('5') }],
    ['retry.initialDelayMs', { initialDelayMs: -1 }],
    ['retry.initialDelayMs', { initialDelayMs: NaN }],
    ['retry.initialDelayMs', { initialDelayMs: Infinity }],
    ['retry.initialDelayMs', { initialDelayMs: '100ms' }],
    ['retry.maxDelayMs', { maxDelayMs: -0.5 }],
    ['retry.maxDelayMs', { maxDelayMs: Symbol('long') }],
    ['retry.factor', { factor: 0 }],
    ['retry.factor', { factor: 0.99 }],
    ['retry.factor', { factor: Infinity }],
    ['retry.factor', { factor: {} }],
    ['retry.factor', { factor: Object.create(null) as unknown }],
    ['retry.times', { times: 3 }],
    ['retry', null],
    ['retry', 3],
    ['retry', [3]],
  ])('that are not acceptable are refused by their name: %s, %j', (field, options) => {
    const check = (): unknown => checkRetryOptions(options as object, 'retry', 5);

    expect(check).toThrow(ValidationError);
    expect(check).toThrow(`Invalid ${field}:`);
  });
});
