import { performance } from 'node:perf_hooks';

// Taken before a test can put fake timers in its place: the event loop turns also when time stands still.
const { setImmediate } = globalThis;

// A loop over promises that are already settled never lets timers and sockets run: Node serves all microtasks first.
const LONGEST_TURN_MS = 5;
/** How many steps go untimed: asking for the time costs more than the short steps of a reader that has just been woken. */
const UNTIMED_STEPS = 3;
/** The time is asked for so often that no more than this passes in between, if the steps stay as long as they were. */
const MS_BETWEEN_LOOKS = 1;
const MOST_STEPS_BETWEEN_LOOKS = 64;

/** Calls back when this turn of the event loop has ended. */
export function afterTurn(callback: () => void): void {
  setImmediate(callback);
}

/** Gives the event loop back whenever a loop has worked for five milliseconds, however long its steps take. */
export class EventLoopTurn {
  /** How many steps are left before the time is asked for. */
  #untimed = UNTIMED_STEPS;
  /** How many steps go by between this look at the clock and the next. */
  #stride = 1;
  #since: number | undefined;
  #lastLook = 0;

  /** Says that work begins now: the time since the last step was spent waiting. */
  begin(): void {
    this.#untimed = UNTIMED_STEPS;
    this.#since = undefined;
  }

  /** To be asked before each step: a promise when the event loop is to turn first, undefined when there is time left. */
  giveBack(): Promise<void> | undefined {
    if (this.#untimed > 0) {
      this.#untimed--;
      return undefined;
    }
    const now = performance.now();
    if (this.#since === undefined) {
      this.#since = now;
      this.#stride = 1;
    } else if (now - this.#since >= LONGEST_TURN_MS) {
      this.begin();
      return new Promise(afterTurn);
    } else {
      const inTime = Math.floor((this.#stride * MS_BETWEEN_LOOKS) / (now - this.#lastLook));
      this.#stride = Math.max(1, Math.min(inTime, 2 * this.#stride, MOST_STEPS_BETWEEN_LOOKS));
    }
    this.#lastLook = now;
    this.#untimed = this.#stride - 1;
    return undefined;
  }
}
