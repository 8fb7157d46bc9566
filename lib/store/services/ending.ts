import type { Clock } from '../values/clock.js';
import type { StoreLogger } from '../ports/logger.js';

/** How long each last step may take when the time is over: what was aborted then is still to be put in order. */
const GRACE_MS = 500;

/** The time that the end of a store may take, for its handlers and for the store itself, whatever its engine does. */
export class Ending {
  #begunAt: number | undefined;

  constructor(
    private readonly storeName: string,
    private readonly timeoutMs: number,
    private readonly clock: Clock,
    private readonly logger: StoreLogger,
    private readonly onGivenUp: () => void,
  ) {}

  /**
   * Waits for a step of the end, and gives it up when the time is over. The time begins with the first step.
   *
   * @param what is waited for, in words
   * @returns undefined when it was given up
   * @throws what it fails with in time
   */
  async orGiveUp<T>(what: string, step: Promise<T>): Promise<T | undefined> {
    this.#begunAt ??= this.clock.now();
    const goneMs = Math.max(0, this.clock.now() - this.#begunAt);
    let cancelTimer!: () => void;
    const late = new Promise<undefined>((resolve) => {
      const giveUp = (): void => {
        this.logger.error(
          `Store "${this.storeName}": its end has given up ${what}, after ${this.timeoutMs} ms (shutdownTimeoutMs).`,
        );
        this.onGivenUp();
        resolve(undefined);
      };
      cancelTimer = this.clock.setTimer(giveUp, Math.max(0, this.timeoutMs - goneMs) + GRACE_MS);
    });
    try {
      return await Promise.race([step, late]);
    } finally {
      cancelTimer();
      // What it fails with later bothers nobody.
      step.catch(() => undefined);
    }
  }
}
