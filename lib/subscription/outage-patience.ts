import { StorageUnavailableError } from '../store/errors.js';
import type { MaybePromise } from '../store/maybe-promise.js';
import type { SubscriptionSource } from '../store/subscription.js';

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 5_000;

/**
 * Reads again when the storage was not available: after 100 ms, then after pauses that double, up to 5 seconds.
 *
 * A server that starts anew is no reason to end a subscription, which knows its place and loses nothing by waiting. Every
 * other failure is the reader's.
 */
export class OutagePatience {
  #hasEnded = false;
  #endPause: (() => void) | undefined;

  /** @param subscription which one waits, for the log */
  constructor(
    private readonly source: SubscriptionSource,
    private readonly subscription: string,
  ) {}

  /** Awaits an answer, and asks again until there is one, or another failure, or an end. */
  await<Answer>(answer: Promise<Answer>, ask: () => MaybePromise<Answer>): Promise<Answer> {
    return answer.catch((error: unknown) => this.#askAgain(ask, error));
  }

  /** From now on, what fails has failed. */
  end(): void {
    this.#hasEnded = true;
    this.#endPause?.();
  }

  async #askAgain<Answer>(ask: () => MaybePromise<Answer>, failure: unknown): Promise<Answer> {
    let error = failure;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
      if (!(error instanceof StorageUnavailableError) || this.#hasEnded) throw error;
      if (error === failure) this.#report(error);
      await this.#pause(pauseMs);
      if (this.#hasEnded) throw error;
      try {
        return await ask();
      } catch (next) {
        error = next;
      }
    }
  }

  #report(error: StorageUnavailableError): void {
    const { storeName, logger, metrics } = this.source;
    logger.warn(`Store "${storeName}": the subscription to ${this.subscription} waits. ${error.message}`);
    metrics.onBackgroundFailure?.({ store: storeName, operation: 'subscription' });
  }

  async #pause(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancelTimer = this.source.clock.setTimer(resolve, delayMs, { background: true });
      this.#endPause = () => {
        cancelTimer();
        resolve();
      };
    });
    this.#endPause = undefined;
  }
}
