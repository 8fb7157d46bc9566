import type { Clock } from '../../lib/store/clock.js';

interface Timer {
  readonly callback: () => void;
  readonly dueAt: number;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #now: number;
  readonly #timers = new Set<Timer>();

  /** @param start an ISO date or milliseconds since 1970 */
  constructor(start: number | string = '2024-01-01T00:00:00Z') {
    this.#now = new Date(start).getTime();
  }

  now(): number {
    return this.#now;
  }

  /** How many timers are still to come. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** How long until the next timer is due; undefined when there is none. */
  get msToNextTimer(): number | undefined {
    return this.#timers.size === 0 ? undefined : this.#next().dueAt - this.#now;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer = { callback, dueAt: this.#now + delayMs };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Moves on, and calls every timer that comes due on the way, also those that a called one sets anew. */
  async advance(ms: number): Promise<void> {
    const goal = this.#now + ms;
    await settled();
    while (this.#timers.size > 0 && this.#next().dueAt <= goal) {
      const timer = this.#next();
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.dueAt);
      timer.callback();
      await settled();
    }
    this.#now = goal;
  }

  /** Moves on without calling a timer, as if a sweep were late. A negative number moves back. */
  jump(ms: number): void {
    this.#now += ms;
  }

  /** The timer that is due first. */
  #next(): Timer {
    return [...this.#timers].reduce((first, timer) => (timer.dueAt < first.dueAt ? timer : first));
  }
}

/** Resolves when the event loop has turned, and with it all that waits for nothing but promises has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
