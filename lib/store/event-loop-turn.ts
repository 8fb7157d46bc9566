import { performance } from 'node:perf_hooks';

// A loop over promises that are already settled never lets timers and sockets run: Node serves all microtasks first.
const LONGEST_TURN_MS = 5;
/** How many steps go untimed: asking for the time costs more than the short step of a reader that has just been woken. */
const UNTIMED_STEPS = 3;

/** Gives the event loop back whenever a loop has worked for five milliseconds. */
export class EventLoopTurn {
  #steps = 0;
  #since = 0;

  /** Says that work begins now: the time since the last step was spent waiting. */
  begin(): void {
    this.#steps = 0;
  }

  /** To be asked before each step: a promise when the event loop is to turn first, undefined when there is time left. */
  giveBack(): Promise<void> | undefined {
    this.#steps++;
    if (this.#steps <= UNTIMED_STEPS) return undefined;
    const now = performance.now();
    if (this.#steps === UNTIMED_STEPS + 1) this.#since = now;
    if (now - this.#since < LONGEST_TURN_MS) return undefined;
    this.begin();
    return new Promise((resolve) => setImmediate(resolve));
  }
}
