import type { Checkpoint } from '../../store/values/checkpoint.js';
import type { Lease } from '../../store/ports/storage-engine.js';
import { checkFit } from '../checkpoint/checkpoint-compatibility.js';
import type { ConsumerParts } from '../consumer-parts.js';
import type { Partition } from './partition.js';
import { internalsOf } from '../../store/store-internals.js';

/** How often to look whether another process has kept what it was about to keep. */
const LOOK_EVERY_MS = 200;

/**
 * Sees that a handler has as many partitions as what is kept of it. The first time, keeps a checkpoint for each of them, all
 * at the same place, and last of all one under the name of the handler itself, which says how many there are.
 *
 * @throws {ValidationError} when the handler was run with another number, or counts in something else
 */
export async function keepLayout(parts: ConsumerParts, partitions: readonly Partition[]): Promise<void> {
  const { name, store, options } = parts;
  for (;;) {
    const kept = await internalsOf(store).loadCheckpoint(name);
    if (kept) return checkFit(name, kept, { streamId: undefined, partitions: partitions.length });
    if (!store.supports.leases) return keepFirst(parts, partitions);
    const lease = await internalsOf(store).acquireLease(name, options.leaseDurationMs);
    if (lease) return keepUnder(lease, parts, partitions);
    await new Promise<void>((resolve) => store.clock.setTimer(resolve, LOOK_EVERY_MS));
  }
}

async function keepUnder(lease: Lease, parts: ConsumerParts, partitions: readonly Partition[]): Promise<void> {
  const { name, store } = parts;
  try {
    const kept = await internalsOf(store).loadCheckpoint(name);
    if (kept) checkFit(name, kept, { streamId: undefined, partitions: partitions.length });
    else await keepFirst(parts, partitions, lease);
  } finally {
    await internalsOf(store).releaseLease(lease);
  }
}

/** When the process ends on the way, nobody has used what it has kept, and it is kept anew. */
async function keepFirst(
  { name, store, target, from }: ConsumerParts,
  partitions: readonly Partition[],
  lease?: Lease,
): Promise<void> {
  const subscription = store.subscribe(target, from);
  // Asking for the lag waits until the start was found.
  await subscription.lag().finally(() => subscription.close());
  const { position } = subscription;
  const nothing = { ahead: [], attempts: [], parked: [], isRunning: false };
  const first: Checkpoint = { streamId: null, position, globalPosition: position, ...nothing };
  for (const partition of partitions) await internalsOf(store).saveCheckpoint(partition.name, first, lease);
  await internalsOf(store).saveCheckpoint(name, { ...first, partitions: partitions.length }, lease);
}
