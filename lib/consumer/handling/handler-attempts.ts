import { boundToCaller } from '../../store/services/async-context.js';
import type { Clock } from '../../store/values/clock.js';
import { HandlerTimeoutError } from '../../store/values/errors.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { CheckedConsumerOptions } from '../consumer-options.js';
import { Interrupted } from '../../subscription/interrupted.js';
import { retryDelayMs } from '../retry-policy.js';

/**
 * What a handler learns besides the event.
 *
 * @typeParam Transaction what the engine of the store hands out: with PostgreSQL, a `PostgresTransaction`
 */
export interface StreamEventContext<Transaction = unknown> {
  /** The name of the subscription: `durable`, or else the class and the method. */
  readonly subscription: string;
  /** The name of the store that the event comes from. */
  readonly store: string;
  /** Which attempt at this event this is, from 1. */
  readonly attempt: number;
  /**
   * Aborts when the attempt has taken too long, when the application ends and cannot wait, or when another process may run
   * the handler now: then its reason is a `LeaseLostError`.
   */
  readonly signal: AbortSignal;
  /**
   * With the option `transaction`: what is written with it is kept together with the checkpoint, or not at all. It refuses
   * when the attempt is over. Otherwise undefined.
   */
  readonly transaction: Transaction;
}

export type EventHandler = (event: RecordedEvent, context: StreamEventContext) => unknown;

/** Hands single events to a handler: with a time limit, and again after a failure. */
export class HandlerAttempts {
  /** Aborts an attempt, in the context of the attempt: so its handler is told there. */
  readonly #running = new Set<(reason: Error) => void>();
  readonly #pauses = new Set<() => void>();
  #isInterrupted = false;

  constructor(
    private readonly subscription: string,
    private readonly storeName: string,
    private readonly options: CheckedConsumerOptions,
    private readonly clock: Clock,
    private readonly handle: EventHandler,
    private readonly mayBegin: () => boolean = () => true,
  ) {}

  /** How many attempts run now. */
  get running(): number {
    return this.#running.size;
  }

  /** One attempt. What the handler does after its time limit changes nothing. @throws what it fails with */
  async once(event: RecordedEvent, attempt: number, transaction?: unknown): Promise<void> {
    if (!this.mayBegin()) throw new Interrupted();
    const { timeoutMs } = this.options;
    const abort = new AbortController();
    const { signal } = abort;
    const end = boundToCaller((reason: Error) => abort.abort(reason));
    this.#running.add(end);
    let cancelTimer: (() => void) | undefined;
    try {
      const aborted = new Promise<never>((_, reject) => {
        const fail = (): void =>
          reject(signal.reason instanceof HandlerTimeoutError ? signal.reason : new Interrupted());
        signal.addEventListener('abort', fail, { once: true });
      });
      if (timeoutMs > 0) {
        const timeout = (): void => end(new HandlerTimeoutError(this.subscription, timeoutMs));
        cancelTimer = this.clock.setTimer(timeout, timeoutMs);
      }
      const { subscription, storeName: store } = this;
      const context: StreamEventContext = { subscription, store, attempt, signal, transaction };
      await Promise.race([this.#call(event, context), aborted]);
    } finally {
      cancelTimer?.();
      this.#running.delete(end);
    }
  }

  /** Waits before the attempt that follows a failed one. @throws {Interrupted} when the consumer was stopped meanwhile */
  pauseAfter(attempt: number): Promise<void> {
    return this.pause(retryDelayMs(attempt, this.options.retry, this.clock));
  }

  /** @throws {Interrupted} when the consumer was stopped meanwhile */
  async pause(delayMs: number): Promise<void> {
    if (delayMs > 0 && !this.#isInterrupted) {
      await new Promise<void>((resolve) => {
        const goOn = (): void => {
          cancelTimer();
          this.#pauses.delete(goOn);
          resolve();
        };
        const cancelTimer = this.clock.setTimer(goOn, delayMs);
        this.#pauses.add(goOn);
      });
    }
    this.throwIfInterrupted();
  }

  throwIfInterrupted(): void {
    if (this.#isInterrupted || !this.mayBegin()) throw new Interrupted();
  }

  /** Begins no further attempt; those that run go on. */
  interrupt(): void {
    this.#isInterrupted = true;
    for (const goOn of [...this.#pauses]) goOn();
  }

  /** Lets attempts begin again. */
  resume(): void {
    this.#isInterrupted = false;
  }

  /** Aborts the attempts that run, and waits for none of them. @param reason what their signals say */
  abortRunning(reason: Error = new Interrupted()): void {
    for (const end of this.#running) end(reason);
  }

  async #call(event: RecordedEvent, context: StreamEventContext): Promise<void> {
    await this.handle(event, context);
  }
}
