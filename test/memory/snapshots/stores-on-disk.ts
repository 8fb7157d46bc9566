import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { type EventStore, type EventStoreOptions, type MemoryEngineOptions } from 'nestjs-stream-store';
import { memoryEngineOn } from '../../../lib/memory/memory-engine.js';
import { createEventStore } from '../../../lib/open-event-store.js';
import { internalsOf } from '../../../lib/store/store-internals.js';
import type { ProcessIdentity, ProcessTable } from '../../../lib/store/services/process-table.js';
import { ManualClock } from '../../support/waiting/manual-clock.js';
import { RecordingLogger } from '../../support/recorders.js';
import type { SimulatedDisk } from './simulated-disk.js';

export const DIRECTORY = resolve('/simulated/data');

export const snapshotFile = (number: number): string =>
  join(DIRECTORY, `snapshot-${String(number).padStart(12, '0')}.bin`);
export const lockFile = (number: number): string => join(DIRECTORY, `lock-${String(number).padStart(12, '0')}`);

let lastPid = 100;

/** The processes of a simulated computer. No two have the same number, so all others have ended. */
export class SimulatedProcesses {
  readonly #running = new Set<number>();

  /** A new process. */
  start(): ProcessTable & { end(): void } {
    const pid = ++lastPid;
    this.#running.add(pid);
    return {
      self: { pid, host: 'simulated', startedAt: `started-${pid}` },
      isAlive: (other: ProcessIdentity) => this.#running.has(other.pid),
      end: () => void this.#running.delete(pid),
    };
  }
}

export interface StoreOnDisk extends Omit<EventStoreOptions, 'engine' | 'logger'> {
  readonly engine?: MemoryEngineOptions;
  readonly processes?: ProcessTable;
  readonly logger?: RecordingLogger;
}

/** A store with its snapshots on a simulated disk, in a process of its own unless another is given. */
export function storeOn(disk: SimulatedDisk, options: StoreOnDisk = {}): EventStore {
  const { engine, processes = new SimulatedProcesses().start(), ...rest } = options;
  return createEventStore({
    clock: new ManualClock(),
    logger: new RecordingLogger(),
    ...rest,
    engine: memoryEngineOn(disk, processes, { snapshotDirectory: DIRECTORY, ...engine }),
  });
}

/** Such a store, opened. */
export async function openOn(disk: SimulatedDisk, options: StoreOnDisk = {}): Promise<EventStore> {
  const store = storeOn(disk, options);
  await store.open();
  return store;
}

/** Everything that a user can see of a store, in a few words that differ whenever anything does. */
export async function visible(store: EventStore, checkpoints: readonly string[] = []): Promise<string> {
  const { events, globalPosition } = await store.readAll({ limit: 0 });
  const byTime = await store.readTimeRange();
  const streams = await store.getStreams();
  const names = [...new Set(events.map(({ streamId }) => streamId))];
  const ofStreams = await Promise.all(names.map(async (name) => (await store.readStream(name)).map(({ id }) => id)));
  const kept = await Promise.all(checkpoints.map((name) => internalsOf(store).loadCheckpoint(name)));
  const { totalEvents, totalStreams } = await store.stats();
  const ids = byTime.map(({ id }) => id);
  const all = JSON.stringify({ events, globalPosition, ids, streams, ofStreams, kept, totalEvents, totalStreams });
  const digest = createHash('sha256').update(all).digest('hex').slice(0, 16);
  return `${totalEvents} events up to ${globalPosition} in ${totalStreams} streams, ${digest}`;
}
