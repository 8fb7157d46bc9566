import { messageOf } from '../store/values/error-text.js';
import { isPromise, type MaybePromise } from '../store/values/maybe-promise.js';
import type { SubscriptionSource } from '../store/ports/subscription.js';
import { mayPass, Outage, pauseAfter } from './outage.js';

/**
 * Reads for a subscription, and reads again when the storage fails: after 100 ms, then after pauses that double.
 *
 * A server that starts anew, or a table that is not there for a while, is no reason to end a subscription, which knows its
 * place and loses nothing by waiting. Damage ends it. Once it has ended, nothing is waited for, not even a read.
 */
export class OutagePatience {
  readonly outage: Outage;
  #end: { readonly error: Error } | undefined;
  /** Let go whoever waits. */
  readonly #waiting = new Set<() => void>();

  /** @param subscription which one waits, for the log */
  constructor(
    private readonly source: SubscriptionSource,
    private readonly subscription: string,
  ) {
    this.outage = new Outage(
      () => source.clock.now(),
      (error) => this.#report(error),
    );
  }

  /** Asks until there is an answer, a failure that will not pass, or an end. What is answered at once stays so. */
  ask<Answer>(ask: () => MaybePromise<Answer>): MaybePromise<Answer> {
    let answer: MaybePromise<Answer>;
    try {
      answer = ask();
    } catch (error) {
      return this.#askAgain(ask, error);
    }
    return isPromise(answer) ? this.#untilEnd(answer).catch((error: unknown) => this.#askAgain(ask, error)) : answer;
  }

  /** @param error what those who wait get */
  end(error: Error): void {
    this.#end = { error };
    for (const letGo of this.#waiting) letGo();
  }

  async #askAgain<Answer>(ask: () => MaybePromise<Answer>, failure: unknown): Promise<Answer> {
    let error = failure;
    for (let pauseMs: number | undefined; ;) {
      if (this.#end || !mayPass(error)) throw error;
      this.outage.failed(error);
      pauseMs = pauseAfter(error, pauseMs);
      await this.#pause(pauseMs);
      if (this.#end) throw error;
      try {
        const answer = await this.#untilEnd(Promise.resolve(ask()));
        this.outage.answered();
        return answer;
      } catch (next) {
        error = next;
      }
    }
  }

  #report(error: unknown): void {
    const { storeName, logger, metrics } = this.source;
    logger.warn(`Store "${storeName}": the subscription to ${this.subscription} waits. ${messageOf(error)}`);
    metrics.onBackgroundFailure?.({ store: storeName, operation: 'subscription' });
  }

  /** The storage may never answer. */
  async #untilEnd<Answer>(answer: Promise<Answer>): Promise<Answer> {
    let letGo!: () => void;
    const ended = new Promise<never>((_, reject) => {
      letGo = () => reject(this.#end!.error);
      this.#waiting.add(letGo);
    });
    try {
      return await Promise.race([answer, ended]);
    } finally {
      this.#waiting.delete(letGo);
    }
  }

  async #pause(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const goOn = (): void => {
        cancelTimer();
        this.#waiting.delete(goOn);
        resolve();
      };
      const cancelTimer = this.source.clock.setTimer(goOn, delayMs, { background: true });
      this.#waiting.add(goOn);
    });
  }
}
