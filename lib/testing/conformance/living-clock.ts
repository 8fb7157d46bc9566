import { performance } from 'node:perf_hooks';
import type { Clock } from '../../store/values/clock.js';

// Taken before a test can put fake timers in their place: the suite waits for engines whose time nobody can fake.
const { setTimeout, clearTimeout } = globalThis;

interface Timer {
  readonly callback: () => void;
  readonly dueAt: number;
  node: NodeJS.Timeout;
}

/**
 * A clock that goes on by itself, can be pushed forward, and can be set forward and back.
 *
 * An engine may wait for a timer of its store, which a clock that stands still would never call; or it may take the time
 * from a server, which no test can move. Cases are written so that both are right.
 */
export class LivingClock implements Clock {
  /** How much time was made to pass, and by how much the clock was set besides. */
  #pushed = 0;
  #adjusted = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return Date.now() + this.#pushed + this.#adjusted;
  }

  monotonic(): number {
    return performance.now() + this.#pushed;
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer: Timer = { callback, dueAt: this.monotonic() + delayMs, node: undefined as unknown as NodeJS.Timeout };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => {
      clearTimeout(timer.node);
      this.#timers.delete(timer);
    };
  }

  /** Sets the clock forward, or back with a negative number, while no time passes: timers do not notice. */
  adjust(ms: number): void {
    this.#adjusted += ms;
  }

  /** Lets time pass, and calls what has come due. */
  push(ms: number): void {
    this.#pushed += ms;
    for (const timer of this.#timers) {
      clearTimeout(timer.node);
      this.#arm(timer);
    }
  }

  #arm(timer: Timer): void {
    const call = (): void => {
      if (this.#timers.delete(timer)) timer.callback();
    };
    // Node turns a longer delay into one millisecond (Node.js, "Timers", setTimeout).
    timer.node = setTimeout(call, Math.min(Math.max(0, timer.dueAt - this.monotonic()), 2 ** 31 - 1));
    // A test process must be able to end although an engine waits.
    timer.node.unref();
  }
}

/** Waits in real time, for what nobody can push. */
export function realTime(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
