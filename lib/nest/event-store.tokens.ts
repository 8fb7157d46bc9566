import { EventStore } from '../store/event-store.js';

/** What `EventStoreModule` says of itself, for the registry: one for each import of the module. */
export const EVENT_STORE_DESCRIPTION = Symbol('EVENT_STORE_DESCRIPTION');

/**
 * The token under which a store is injected.
 *
 * @param name the `name` that was given to `forRoot`; left out, the class `EventStore` itself
 */
export function getEventStoreToken(name?: string): string | typeof EventStore {
  return name === undefined ? EventStore : `EventStore:${name}`;
}
