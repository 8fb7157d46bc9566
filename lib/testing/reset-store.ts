import { EventStoreRegistry } from '../nest/event-store.registry.js';
import type { EventStore } from '../store/event-store.js';
import { INTERNALS, internalsOf } from '../store/store-internals.js';
import { provided, type ProviderSource } from './provided.js';

/**
 * Empties a store, or all stores of an application, for good: streams with their revisions, checkpoints, dead letters, leases
 * and snapshots. What is appended next has position 1.
 *
 * Handlers finish what they are at, and then begin again as in a new application: they know of no event. Nobody else may
 * use the log meanwhile. What the store has counted goes on, and so do its clock and its metrics.
 *
 * @param of the store; or the application, a testing module or a `ModuleRef`
 * @throws {ValidationError} while subscriptions to the store are open, other than those of handlers; nothing is removed then
 * @throws {UnsupportedOperationError} when the engine is none of this package
 * @throws {StoreClosedError}
 */
export async function resetStore(of: EventStore | ProviderSource): Promise<void> {
  const stores = INTERNALS in of ? [of] : provided(of, EventStoreRegistry).all();
  for (const store of stores) await internalsOf(store).empty();
}
