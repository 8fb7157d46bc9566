import type { EventStoreStatus, EventStores } from '../nest/event-stores.js';
import type { EventStore } from '../store/event-store.js';
import type { CheckedPrometheusOptions } from './event-store-prometheus-options.js';
import { MetricSet } from './metric-set.js';

/** Prometheus gives a scrape ten seconds by default. */
const TIMEOUT_MS = 5_000;

/**
 * What is true at the moment of a scrape. All metrics come from one reading of each store; a store that does not answer
 * shows as not up, and the others as they are.
 */
export class StatusMetrics {
  readonly #metrics: MetricSet;
  readonly #of: ReturnType<typeof metricsOf>;
  #reading: Promise<void> | undefined;

  constructor(
    options: CheckedPrometheusOptions,
    private readonly stores: EventStores,
  ) {
    this.#metrics = new MetricSet(options);
    // A scrape asks all metrics at once.
    this.#of = metricsOf(
      this.#metrics,
      () => (this.#reading ??= this.#read().finally(() => (this.#reading = undefined))),
    );
  }

  register(): void {
    this.#metrics.register();
  }

  unregister(): void {
    this.#metrics.unregister();
  }

  async #read(): Promise<void> {
    const read = async (store: EventStore) => ({
      store,
      // What it fails with is the concern of the health check.
      status: await this.stores.statusOf(store, TIMEOUT_MS).catch(() => undefined),
    });
    const all = await Promise.all(this.stores.all().map(read));
    // From here on nothing waits, so that no scrape sees a part of it.
    this.#metrics.reset();
    for (const { store, status } of all) {
      this.#of.up.set({ store: store.name }, status ? 1 : 0);
      if (status) this.#show(store, status);
    }
  }

  #show({ name: store, limits }: EventStore, { stats, handlers, deadLetters }: EventStoreStatus): void {
    this.#of.events.set({ store }, stats.totalEvents);
    this.#of.streams.set({ store }, stats.totalStreams);
    this.#of.streamsLimit.set({ store }, limits.maxStreams);
    this.#of.memory.set({ store }, stats.memoryUsageBytes);
    this.#of.subscriptions.set({ store }, stats.subscriptionsActive);
    this.#of.appended.inc({ store }, stats.eventsAppended);
    this.#of.read.inc({ store }, stats.eventsRead);
    this.#of.expired.inc({ store }, stats.eventsExpired);
    this.#of.dropped.inc({ store }, 0);
    for (const { name: handler, lag, position, state, isDurable } of handlers) {
      this.#of.lag.set({ store, handler }, lag);
      this.#of.position.set({ store, handler }, position);
      this.#of.state.set({ store, handler, state }, 1);
      if (isDurable) this.#of.deadLetters.set({ store, handler }, 0);
    }
    for (const [handler, count] of deadLetters) this.#of.deadLetters.set({ store, handler }, count);
  }
}

/** @param read called by each metric when it is scraped, to set them all */
function metricsOf(metrics: MetricSet, read: () => Promise<void>) {
  const ofStore = ['store'] as const;
  const ofHandler = ['store', 'handler'] as const;
  return {
    up: metrics.gauge('up', 'Whether the store answers: 1, or 0.', ofStore, read),
    events: metrics.gauge('events', 'Events that are kept.', ofStore, read),
    streams: metrics.gauge('streams', 'Streams that hold events.', ofStore, read),
    streamsLimit: metrics.gauge('streams_limit', 'The most streams that may hold events.', ofStore, read),
    memory: metrics.gauge('memory_bytes', 'Memory of this process that the engine uses.', ofStore, read),
    subscriptions: metrics.gauge('subscriptions', 'Subscriptions that have not ended.', ofStore, read),
    // The store counts these itself, so that an append has less to do.
    appended: metrics.counter('appended_events_total', 'Events that were appended.', ofStore, read),
    read: metrics.counter('read_events_total', 'Events handed out to readers.', ofStore, read),
    expired: metrics.counter('expired_events_total', 'Events that retention removed.', ofStore, read),
    // For those who look for it, or bring an alert along: readers come for events themselves, so there is none to drop.
    dropped: metrics.counter('dropped_events_total', 'Events that a slow reader missed: always 0.', ofStore, read),
    lag: metrics.gauge(
      'handler_lag_positions',
      'Positions between a handler and the end of what it reads.',
      ofHandler,
      read,
    ),
    position: metrics.gauge(
      'handler_position',
      'The position up to which a handler has handled every event.',
      ofHandler,
      read,
    ),
    state: metrics.gauge(
      'handler_state',
      'The state of a handler: 1 for the one that it is in.',
      [...ofHandler, 'state'],
      read,
    ),
    deadLetters: metrics.gauge(
      'dead_letters',
      'Events that were dead-lettered and not handled since.',
      ofHandler,
      read,
    ),
  };
}
