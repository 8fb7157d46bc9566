import { LastSnapshotFailedError, type EventStore, SnapshotDiskError } from 'nestjs-stream-store';
import { numbered } from '../../support/events.js';
import type { SimulatedDisk } from './simulated-disk.js';
import { openOn, visible } from './stores-on-disk.js';
import { internalsOf } from '../../../lib/store/store-internals.js';

/** What a store had at the moments at which it was to be kept. */
export interface Life {
  /** What was there when it was opened, then at each snapshot, whether it was written or not; oldest first. */
  readonly states: string[];
  /** Which of these at least has to be there after a restart. */
  acknowledged: number;
}

/**
 * Opens a store, appends and writes snapshots, and closes it, on a disk that may fail at any call.
 *
 * @param life is filled on the way, so that it can be looked at when it is cut short
 * @throws when a call failed with an error that says nothing of the disk
 */
export async function live(disk: SimulatedDisk, life: Life, snapshots = 2): Promise<void> {
  const store = await attempt(() => openOn(disk), SnapshotDiskError);
  if (!store) return;
  await note(life, store);
  life.acknowledged = life.states.length - 1;
  for (let n = 1; n <= snapshots; n++) {
    await change(store, life);
    await keep(() => attempt(() => store.snapshot(), SnapshotDiskError), life);
  }
  await change(store, life);
  // When giving the directory back fails, the last snapshot is there all the same.
  await keep(() => attempt(async () => (await store.close(), true), LastSnapshotFailedError, SnapshotDiskError), life);
}

async function change(store: EventStore, life: Life): Promise<void> {
  const { totalEvents } = await store.stats();
  await store.append('orders', numbered(totalEvents, totalEvents + 2));
  await store.append(`order-${totalEvents}`, { type: 'placed', data: 'é'.repeat(700) });
  await internalsOf(store).saveCheckpoint('billing', { position: totalEvents } as never);
  await note(life, store);
}

async function note(life: Life, store: EventStore): Promise<void> {
  life.states.push(await visible(store, ['billing']));
}

async function keep(write: () => Promise<unknown>, life: Life): Promise<void> {
  const state = life.states.length - 1;
  if (await write()) life.acknowledged = state;
}

/** The answer; undefined when the call failed with one of the errors. */
async function attempt<T>(
  call: () => Promise<T>,
  ...errors: readonly (new (...args: never[]) => Error)[]
): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (!errors.some((known) => error instanceof known)) throw error;
    return undefined;
  }
}

/** Opens what is on the disk, in a new process, and says what a user finds. */
export async function found(disk: SimulatedDisk): Promise<string> {
  const store = await openOn(disk);
  const state = await visible(store, ['billing']);
  await store.close();
  return state;
}
