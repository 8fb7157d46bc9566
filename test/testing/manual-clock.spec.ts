import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ValidationError } from 'nestjs-stream-store';
import { ManualClock } from 'nestjs-stream-store/testing';
import { rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';

describe('a manual clock', () => {
  it('stands still until it is moved', async () => {
    const clock = new ManualClock('2024-03-01T12:00:00Z');
    const start = clock.now();

    await new Promise((resolve) => setTimeout(resolve, 5));

    expect(clock.now()).toBe(start);
    expect(new Date(start).toISOString()).toBe('2024-03-01T12:00:00.000Z');
  });

  it('begins where it is told: at a date, a number of milliseconds, or the first of January 2024', () => {
    expect(new ManualClock('2024-03-01').now()).toBe(Date.UTC(2024, 2, 1));
    expect(new ManualClock(42).now()).toBe(42);
    expect(new ManualClock().now()).toBe(Date.UTC(2024, 0, 1));
  });

  it('refuses a beginning that is no date', () => {
    expect(() => new ManualClock('yesterday')).toThrow(ValidationError);
    expect(() => new ManualClock(NaN)).toThrow(ValidationError);
  });

  it('gives its time to the store', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock });

    await store.append('orders', { type: 'order.placed' });
    await clock.advance(90_000);
    await store.append('orders', { type: 'order.paid' });

    const times = (await store.readStream('orders')).map(({ recordedAt }) => recordedAt.toISOString());
    expect(times).toEqual(['2024-01-01T00:00:00.000Z', '2024-01-01T00:01:30.000Z']);
  });

  describe('advanced', () => {
    it('calls the timers that come due, in order, each at its time', async () => {
      const clock = new ManualClock(0);
      const called: [string, number][] = [];
      for (const [name, delayMs] of [
        ['c', 30],
        ['a', 10],
        ['b', 20],
        ['too late', 31],
      ] as const) {
        clock.setTimer(() => called.push([name, clock.now()]), delayMs);
      }

      await clock.advance(30);

      expect(called).toEqual([
        ['a', 10],
        ['b', 20],
        ['c', 30],
      ]);
      expect(clock.now()).toBe(30);
      expect(clock.pendingTimers).toBe(1);
      expect(clock.msToNextTimer).toBe(1);
    });

    it('calls timers of one time in the order in which they were set', async () => {
      const clock = new ManualClock();
      const called: number[] = [];
      for (const name of [1, 2, 3]) clock.setTimer(() => called.push(name), 10);

      await clock.advance(10);

      expect(called).toEqual([1, 2, 3]);
    });

    it('calls timers that a called one, or what it has set going, sets anew', async () => {
      const clock = new ManualClock(0);
      const called: number[] = [];
      const again = async (): Promise<void> => {
        called.push(clock.now());
        for (let step = 0; step < 10; step++) await Promise.resolve();
        await new Promise((resolve) => setImmediate(resolve));
        clock.setTimer(() => void again(), 10);
      };
      clock.setTimer(() => void again(), 10);

      await clock.advance(35);

      expect(called).toEqual([10, 20, 30]);
    });

    it('lets what has begun before set its timer first', async () => {
      const clock = new ManualClock(0);
      const wait = async (): Promise<number> => {
        await new Promise((resolve) => setImmediate(resolve));
        await new Promise<void>((resolve) => clock.setTimer(resolve, 10));
        return clock.now();
      };
      const waited = wait();

      await clock.advance(10);

      expect(await waited).toBe(10);
    });

    it('calls no timer that was cancelled', async () => {
      const clock = new ManualClock();
      const called: string[] = [];
      const cancel = clock.setTimer(() => called.push('cancelled'), 10);
      clock.setTimer(() => cancel(), 5);

      await clock.advance(20);

      expect(called).toEqual([]);
      expect(clock.pendingTimers).toBe(0);
      expect(clock.msToNextTimer).toBeUndefined();
    });

    it('by less than nothing is refused', async () => {
      const clock = new ManualClock(5);

      expect(await rejectionOf(clock.advance(-1))).toBeInstanceOf(ValidationError);
      expect(await rejectionOf(clock.advance(NaN))).toBeInstanceOf(ValidationError);
      expect(clock.now()).toBe(5);
    });

    it('by nothing calls what is due', async () => {
      const clock = new ManualClock();
      let isCalled = false;
      clock.setTimer(() => (isCalled = true), 0);

      await clock.advance(0);

      expect(isCalled).toBe(true);
    });
  });

  it('that jumps calls no timer on the way, and those that it passed when it is advanced next', async () => {
    const clock = new ManualClock(0);
    const called: number[] = [];
    clock.setTimer(() => called.push(clock.now()), 10);

    clock.jump(50);
    expect([called, clock.msToNextTimer]).toEqual([[], -40]);
    await clock.advance(1);

    expect(called).toEqual([50]);
    expect(clock.now()).toBe(51);
  });

  it('can jump back', () => {
    const clock = new ManualClock(100);

    clock.jump(-30);

    expect(clock.now()).toBe(70);
  });

  it('can be set forward and back, which no timer and no duration notices', async () => {
    const clock = new ManualClock(0);
    const called: number[] = [];
    clock.setTimer(() => called.push(clock.monotonic()), 10);

    clock.adjust(3_600_000);
    await clock.advance(9);
    clock.adjust(-7_200_000);
    await clock.advance(1);

    expect(called).toEqual([10]);
    expect([clock.now(), clock.monotonic()]).toEqual([10 - 3_600_000, 10]);
  });

  it('measures no less by what it is set back', () => {
    const clock = new ManualClock(100);

    clock.jump(50);
    clock.jump(-30);

    expect([clock.now(), clock.monotonic()]).toEqual([120, 50]);
  });

  describe('draws', () => {
    it('one half, when it is not told otherwise', () => {
      const { random } = new ManualClock();

      expect([random(), random()]).toEqual([0.5, 0.5]);
    });

    it('the number it was given', () => {
      const { random } = new ManualClock(0, { random: 0.25 });

      expect([random(), random()]).toEqual([0.25, 0.25]);
    });

    it('from the function it was given', () => {
      const drawn = [0.1, 0.9];
      const { random } = new ManualClock(0, { random: () => drawn.shift()! });

      expect([random(), random()]).toEqual([0.1, 0.9]);
    });
  });

  describe('beside the fake timers of a test runner', () => {
    afterEach(() => void jest.useRealTimers());

    it('still moves', async () => {
      jest.useFakeTimers();
      const clock = new ManualClock(0);
      let isCalled = false;
      clock.setTimer(() => (isCalled = true), 10);

      await clock.advance(10);

      expect(isCalled).toBe(true);
    });
  });
});
