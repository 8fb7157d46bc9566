import type { BatchObservableResult, Meter, Observable } from '@opentelemetry/api';
import type { EventStores } from '../nest/event-stores.js';
import type { EventStore } from '../store/event-store.js';
import { ATTR_HANDLER_NAME, ATTR_HANDLER_STATE, ATTR_STORE_NAME } from './event-store-conventions.js';

/** An export may take thirty seconds by default. */
const TIMEOUT_MS = 5_000;

/**
 * Measures what is true at the moment of an export. A store that does not answer is not available, and says nothing else.
 *
 * @returns ends that
 */
export function observeStatus(meter: Meter, stores: EventStores): () => void {
  const of = observablesOf(meter);
  const observe = async (result: BatchObservableResult): Promise<void> => {
    await Promise.all(stores.all().map((store) => observeStore(result, store)));
  };

  async function observeStore(result: BatchObservableResult, store: EventStore): Promise<void> {
    const ofStore = { [ATTR_STORE_NAME]: store.name };
    // What it fails with is the concern of the health check.
    const read = await stores.statusOf(store, TIMEOUT_MS).catch(() => undefined);
    result.observe(of.available, read ? 1 : 0, ofStore);
    if (!read) return;
    const { stats, handlers, deadLetters } = read;
    result.observe(of.events, stats.totalEvents, ofStore);
    result.observe(of.streams, stats.totalStreams, ofStore);
    // There is no number for "no limit" that every exporter can write.
    if (Number.isFinite(store.limits.maxStreams)) result.observe(of.streamLimit, store.limits.maxStreams, ofStore);
    result.observe(of.memory, stats.memoryUsageBytes, ofStore);
    result.observe(of.subscriptions, stats.subscriptionsActive, ofStore);
    result.observe(of.appended, stats.eventsAppended, ofStore);
    result.observe(of.read, stats.eventsRead, ofStore);
    result.observe(of.expired, stats.eventsExpired, ofStore);
    result.observe(of.dropped, 0, ofStore);
    for (const { name, lag, position, state, isDurable } of handlers) {
      const ofHandler = { ...ofStore, [ATTR_HANDLER_NAME]: name };
      result.observe(of.lag, lag, ofHandler);
      result.observe(of.position, position, ofHandler);
      result.observe(of.state, 1, { ...ofHandler, [ATTR_HANDLER_STATE]: state });
      if (isDurable && !deadLetters.has(name)) result.observe(of.deadLetters, 0, ofHandler);
    }
    for (const [handler, count] of deadLetters) {
      result.observe(of.deadLetters, count, { ...ofStore, [ATTR_HANDLER_NAME]: handler });
    }
  }

  const observables: Observable[] = Object.values(of);
  meter.addBatchObservableCallback(observe, observables);
  return () => meter.removeBatchObservableCallback(observe, observables);
}

function observablesOf(meter: Meter) {
  const gauge = (name: string, unit: string, description: string) =>
    meter.createObservableGauge(`event_store.${name}`, { unit, description });
  const counter = (name: string, unit: string, description: string) =>
    meter.createObservableCounter(`event_store.${name}`, { unit, description });
  return {
    available: gauge('available', '1', 'Whether the store answers: 1, or 0.'),
    events: gauge('event.count', '{event}', 'Events that are kept.'),
    streams: gauge('stream.count', '{stream}', 'Streams that hold events.'),
    streamLimit: gauge(
      'stream.limit',
      '{stream}',
      'The most streams that may hold events; none when there is no limit.',
    ),
    memory: gauge('memory.usage', 'By', 'Memory of this process that the engine uses.'),
    subscriptions: gauge('subscription.count', '{subscription}', 'Subscriptions that have not ended.'),
    appended: counter('event.appended', '{event}', 'Events that were appended.'),
    read: counter('event.read', '{event}', 'Events handed out to readers.'),
    expired: counter('event.expired', '{event}', 'Events that retention removed.'),
    // For those who look for it, or bring an alert along: readers come for events themselves, so there is none to drop.
    dropped: counter('event.dropped', '{event}', 'Events that a slow reader missed: always 0.'),
    lag: gauge('handler.lag', '{position}', 'Positions between a handler and the end of what it reads.'),
    position: gauge('handler.position', '{position}', 'The position up to which a handler has handled every event.'),
    state: gauge('handler.state', '1', 'The state of a handler: 1 for the one that it is in.'),
    deadLetters: gauge('handler.dead_letters', '{event}', 'Events that were dead-lettered and not handled since.'),
  };
}
