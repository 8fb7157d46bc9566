import { messageOf, stackOf } from '../../store/values/error-text.js';
import type { EventStore } from '../../store/event-store.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { LogFields } from '../../store/ports/logger.js';
import type { FailurePolicy } from '../consumer-options.js';

/** Says in the log, in the metrics and in the status of a handler what has become of its work. */
export class HandlerReport {
  #failures = 0;
  #lastError: unknown;
  /** Whether the last save of the checkpoint has failed. */
  #isUnsaved = false;

  /**
   * @param handler its name
   * @param consumer how the log calls it: its name, with the partition
   */
  constructor(
    private readonly handler: string,
    private readonly consumer: string,
    private readonly store: EventStore,
  ) {}

  /** How many attempts have failed since the application started. */
  get failures(): number {
    return this.#failures;
  }

  /** What the latest failed attempt met, or what halted the handler; undefined when nothing did. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** An attempt has failed. The stack comes once, when the event is given up. */
  attemptFailed(error: unknown): void {
    this.#failures++;
    this.#lastError = error;
    this.store.metricsCollector.onHandlerFailure?.({ store: this.store.name, handler: this.handler });
  }

  /** Another attempt follows one that has failed. */
  triesAgain(event: RecordedEvent, error: unknown, attempt: number, attempts: number): void {
    const place = `event ${event.id}, at position ${event.position} of stream "${event.streamId}"`;
    this.store.logger.warn(
      `${this.consumer} failed at attempt ${attempt} of ${attempts} on ${place}: ${messageOf(error)}`,
      this.fieldsOf(event, attempt),
    );
  }

  /** The last attempt has failed, and the policy decides. */
  gaveUp(policy: FailurePolicy): void {
    this.store.metricsCollector.onHandlerGaveUp?.({ store: this.store.name, handler: this.handler, policy });
  }

  /** Something other than an attempt has failed. */
  failed(error: unknown): void {
    this.#lastError = error;
  }

  outage(error: unknown): void {
    this.#backgroundFailure('subscription');
    this.store.logger.warn(`${this.consumer} waits for its storage, and tries again: ${messageOf(error)}`);
  }

  /** The checkpoint could not be saved. It is said once, until one is saved again. */
  unsaved(error: unknown): void {
    if (!this.#isUnsaved) this.notSaved('could not save its checkpoint, and tries again', error);
    this.#isUnsaved = true;
  }

  saved(): void {
    this.#isUnsaved = false;
  }

  notSaved(what: string, error: unknown): void {
    this.#backgroundFailure('checkpoint');
    this.error(what, error);
  }

  /** Retention has removed events before the handler got them. */
  gap(position: number, trimmedTo: number): void {
    const { store, handler } = this;
    store.logger.warn(`${this.consumer}: retention passed it at position ${position}; it goes on after ${trimmedTo}.`);
    store.metricsCollector.onSubscriptionGap?.({ store: store.name, subscription: handler });
  }

  error(what: string, error: unknown, fields?: LogFields): void {
    this.store.logger.error(`${this.consumer} ${what}: ${messageOf(error)}`, stackOf(error), fields);
  }

  fieldsOf({ id, streamId, position, globalPosition }: RecordedEvent, attempt?: number): LogFields {
    const { handler, store } = this;
    const place = { handler, store: store.name, event: id, stream: streamId, position, globalPosition };
    return attempt === undefined ? place : { ...place, attempt };
  }

  #backgroundFailure(operation: 'subscription' | 'checkpoint'): void {
    this.store.metricsCollector.onBackgroundFailure?.({ store: this.store.name, operation });
  }
}
