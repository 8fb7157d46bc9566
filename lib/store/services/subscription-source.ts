import type { CheckedEventStoreOptions } from '../event-store-options.js';
import type { AppendSignal } from '../ports/append-signal.js';
import type { StorageEngine } from '../ports/storage-engine.js';
import type { SubscriptionSource } from '../ports/subscription.js';
import { MOST_BYTES_A_PAGE } from '../values/page-bytes.js';
import type { StoreLog } from './store-log.js';

/** How long an append of another process may go unnoticed when its hint was lost. */
const POLL_INTERVAL_MS = 1_000;

interface SourceParts extends Pick<SubscriptionSource, 'noteFork' | 'countRead'> {
  readonly options: CheckedEventStoreOptions;
  readonly engine: StorageEngine;
  readonly log: StoreLog;
  readonly signal: AppendSignal;
}

/** What subscriptions get of their store. */
export function subscriptionSource({
  options,
  engine,
  log,
  signal,
  noteFork,
  countRead,
}: SourceParts): SubscriptionSource {
  const { name, clock, logger, metricsCollector } = options;
  const maxBytes = MOST_BYTES_A_PAGE;
  const direction = 'forward';
  return {
    storeName: name,
    signal,
    clock,
    logger,
    metrics: metricsCollector,
    // Appends through this store wake its subscriptions for certain; hints of others may be lost.
    pollIntervalMs: engine.onAppended && POLL_INTERVAL_MS,
    mayGoBack: engine.supports.leases,
    mayBeUnreadable: options.catalog?.changesEvents ?? false,
    readStream: (streamId, after, limit, types, wantsIds) =>
      log.ask((view) => view.readStream({ streamId, after, limit, maxBytes, direction, types, wantsIds })),
    readAll: (after, limit, filter, wantsIds) =>
      log.ask((view) => view.readAll({ after, limit, maxBytes, direction, filter, wantsIds })),
    streamEnds: (streamIds) => log.ask(() => engine.streamEnds?.(streamIds)),
    noteFork,
    countRead,
  };
}
