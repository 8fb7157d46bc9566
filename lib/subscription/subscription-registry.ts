import type {
  CheckedTarget,
  SubscribeOptions,
  Subscription,
  SubscriptionRegistry,
  SubscriptionSource,
} from '../store/ports/subscription.js';
import type { END, START } from '../store/values/cursor.js';
import type { Place } from '../store/values/place.js';
import { SharedReads } from './shared-reads.js';
import { LogWatch } from './log-watch.js';
import { LogSubscription } from './log-subscription.js';

/** The subscriptions of one store, from their start to their end. */
export class LogSubscriptionRegistry implements SubscriptionRegistry {
  readonly #active = new Set<LogSubscription>();
  readonly #reads: SharedReads;
  readonly #watch: LogWatch | undefined;

  constructor(private readonly source: SubscriptionSource) {
    this.#reads = new SharedReads(source);
    const { pollIntervalMs } = source;
    if (pollIntervalMs !== undefined) this.#watch = new LogWatch(source, pollIntervalMs);
  }

  get active(): number {
    return this.#active.size;
  }

  open(
    target: CheckedTarget,
    after: Place | typeof START | typeof END,
    options: SubscribeOptions,
    takesUnreadable: boolean,
  ): Subscription {
    const { source } = this;
    const endsAtUnreadable = source.mayBeUnreadable && !takesUnreadable;
    const shared = { source, reads: this.#reads, watch: this.#watch, endsAtUnreadable };
    const subscription = new LogSubscription(shared, target, after, options, (ended) => this.#active.delete(ended));
    if (subscription.state !== 'stopped') this.#active.add(subscription);
    return subscription;
  }

  closeAll(): Promise<void> {
    for (const subscription of this.#active) subscription.stop('store closed');
    return Promise.resolve();
  }
}
