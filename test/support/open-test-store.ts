import { afterEach } from '@jest/globals';
import { type EventStore, type EventStoreOptions, openEventStore, StoreClosedError } from 'nestjs-stream-store';
import { checkInvariants } from './worlds/invariants.js';
import { ManualClock } from './waiting/manual-clock.js';

interface Opened {
  readonly store: EventStore;
  readonly options: EventStoreOptions;
}

const opened: Opened[] = [];

/** Opens a store that is checked against the invariants and closed when the test is over. */
export async function openTestStore(options: EventStoreOptions = {}): Promise<EventStore> {
  const store = await openEventStore(options);
  opened.push({ store, options });
  return store;
}

afterEach(async () => {
  for (const { store, options } of opened.splice(0)) {
    try {
      await checkInvariants(store);
    } catch (error) {
      if (!(error instanceof StoreClosedError)) throw error;
    } finally {
      await store.close();
    }
    if (options.clock instanceof ManualClock && options.clock.pendingTimers > 0) {
      throw new Error(`${options.clock.pendingTimers} timers are left after the store was closed`);
    }
  }
});
