import { performance } from 'node:perf_hooks';
// A loop over promises that are already settled never lets timers and sockets run: Node serves all microtasks first.
const LONGEST_TURN_MS = 5;

/** Gives the event loop back whenever work has gone on for five milliseconds. */
export class EventLoopTurn {
  #since = performance.now();

  /** Says that work begins now: the time since the last one was spent waiting. */
  begin(): void {
    this.#since = performance.now();
  }

  /** Resolves at once, or after the event loop has turned. Undefined when there is nothing to wait for. */
  giveBack(): Promise<void> | undefined {
    if (performance.now() - this.#since < LONGEST_TURN_MS) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.begin();
        resolve();
      });
    });
  }
}
