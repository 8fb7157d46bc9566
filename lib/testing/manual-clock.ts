import type { Clock } from '../store/values/clock.js';
import { ValidationError } from '../store/values/errors.js';

// Taken before a test can put fake timers in its place: the event loop has to turn also when time stands still.
const { setImmediate } = globalThis;

interface Timer {
  readonly callback: () => void;
  readonly dueAt: number;
}

export interface ManualClockOptions {
  /**
   * What chance is: a number from 0 up to 1 that is drawn each time, or a function that draws one. Default 0.5, with
   * which a handler waits for its next attempt exactly half of the longest wait.
   */
  readonly random?: number | (() => number);
}

/** A clock that stands still until a test moves it. Give it to a store as its `clock`. */
export class ManualClock implements Clock {
  /** Draws a number from 0 up to 1. */
  readonly random: () => number;

  #now: number;
  /** How much time has passed, however the clock was set meanwhile. Timers go by it. */
  #passed = 0;
  readonly #timers = new Set<Timer>();

  /** @param start an ISO date or milliseconds since 1970; default the first of January 2024, UTC */
  constructor(start: number | string = '2024-01-01T00:00:00Z', { random = 0.5 }: ManualClockOptions = {}) {
    this.#now = new Date(start).getTime();
    if (Number.isNaN(this.#now)) throw new ValidationError('start', `"${start}" is no date: give one in ISO 8601.`);
    this.random = typeof random === 'function' ? random : () => random;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#passed;
  }

  /** How many timers are still to come. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** How long until the next timer is due, 0 or less when it is overdue; undefined when there is none. */
  get msToNextTimer(): number | undefined {
    return this.#timers.size === 0 ? undefined : this.#next().dueAt - this.#passed;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer = { callback, dueAt: this.#passed + delayMs };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /**
   * Moves on, and calls every timer that comes due on the way, in order, also those that a called one sets anew. Before
   * the first and after each, what waits for promises alone goes on; what waits for a disk or a network need not have.
   *
   * @param ms at least 0
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new ValidationError('ms', `${ms} is not a number of at least 0: jump() also goes back.`);
    const goal = this.#passed + ms;
    await quiet();
    while (this.#timers.size > 0 && this.#next().dueAt <= goal) {
      const timer = this.#next();
      this.#timers.delete(timer);
      this.#passTo(timer.dueAt);
      timer.callback();
      await quiet();
    }
    this.#passTo(goal);
  }

  /**
   * Moves without calling a timer, as if the process had slept. A negative number sets the clock back, as `adjust` does:
   * time itself never goes back.
   */
  jump(ms: number): void {
    if (ms < 0) this.adjust(ms);
    else this.#passTo(this.#passed + ms);
  }

  /**
   * Sets the clock forward, or back with a negative number, while no time passes: as a person does, or a time server.
   * What is measured by durations, such as timers and time limits, does not notice.
   */
  adjust(ms: number): void {
    this.#now += ms;
  }

  #passTo(passed: number): void {
    const ms = Math.max(0, passed - this.#passed);
    this.#passed += ms;
    this.#now += ms;
  }

  /** The timer that is due first; of several, the one that was set first. */
  #next(): Timer {
    return [...this.#timers].reduce((first, timer) => (timer.dueAt < first.dueAt ? timer : first));
  }
}

/** Resolves when the event loop has turned, and with it all that waits for nothing but promises has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Resolves when work that gives the event loop back now and then has gone on too: on a busy machine it does so at other
 * places each time, and a timer that it sets must not come too late for that.
 */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await settled();
}
