import { messageOf, stackOf } from '../../store/values/error-text.js';
import type { EventStore } from '../../store/event-store.js';

/** Reports that the engine cannot be asked about leases: once, until it answers again. */
export class LeaseFailureLog {
  #isReported = false;

  /** @param what is in vain, for the log */
  constructor(
    private readonly store: EventStore,
    private readonly what: string,
  ) {}

  /** Says that the engine has answered. */
  end(): void {
    this.#isReported = false;
  }

  report(error: unknown): void {
    if (this.#isReported) return;
    this.#isReported = true;
    const { name, logger, metricsCollector } = this.store;
    logger.error(`${this.what}: ${messageOf(error)}`, stackOf(error));
    metricsCollector.onBackgroundFailure?.({ store: name, operation: 'lease' });
  }
}
