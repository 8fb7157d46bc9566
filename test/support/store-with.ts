import type { EventStore, EventStoreOptions } from 'nestjs-stream-store';
import { numbered } from './events.js';
import { ManualClock } from './waiting/manual-clock.js';
import { openTestStore } from './open-test-store.js';
import { RecordingLogger } from './recorders.js';

/** A store with so many events in the stream `s`. */
export async function storeWith(count: number, options: EventStoreOptions = {}): Promise<EventStore> {
  const store = await openTestStore(options);
  await store.append('s', numbered(1, count));
  return store;
}

/** A store that keeps events for ten minutes of a clock that the test moves. */
export async function storeWithRetention(
  options: EventStoreOptions = {},
): Promise<{ store: EventStore; clock: ManualClock; logger: RecordingLogger }> {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const store = await openTestStore({ clock, logger, retentionDuration: '10m', ...options });
  return { store, clock, logger };
}

export const MINUTE = 60_000;
