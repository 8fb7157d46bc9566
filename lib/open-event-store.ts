import { memoryEngine } from './memory/memory-engine.js';
import { checkOptions, type EventStoreOptions } from './store/event-store-options.js';
import { EventStore } from './store/event-store.js';
import { LogSubscriptionRegistry } from './subscription/subscription-registry.js';

/**
 * Puts a store together from its parts. It opens with its first call, or when `open` is called.
 *
 * @throws {ValidationError} that names the option
 */
export function createEventStore(options: EventStoreOptions = {}): EventStore {
  return new EventStore(
    checkOptions(options),
    options.engine ?? memoryEngine(),
    (source) => new LogSubscriptionRegistry(source),
  );
}

/**
 * Opens an event store outside of a Nest application; inside one, import `EventStoreModule`.
 *
 * @throws {ValidationError} that names the option
 * @throws what the engine fails with
 */
export async function openEventStore(options: EventStoreOptions = {}): Promise<EventStore> {
  const store = createEventStore(options);
  await store.open();
  return store;
}
