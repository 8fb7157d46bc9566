import { ValidationError } from '../store/values/errors.js';
import type { EventStore } from '../store/event-store.js';
import { internalsOf } from '../store/store-internals.js';
import type { Lease } from '../store/ports/storage-engine.js';
import type { Consumer } from './consumer.js';
import type { ConsumerParts } from './consumer-parts.js';
import { EventConsumer } from './run/event-consumer.js';
import { LeasedConsumer } from './leases/leased-consumer.js';
import { partitionsOf } from './partitions/partition.js';
import { PartitionedConsumer } from './partitions/partitioned-consumer.js';

/** Makes the consumer that a handler needs: a durable one is run by one process at a time where several share the log. */
export function createConsumer(parts: ConsumerParts): Consumer {
  const { store, options } = parts;
  if (options.partitions > 1) return new PartitionedConsumer(parts);
  return options.durable !== undefined && store.supports.leases ? new LeasedConsumer(parts) : new EventConsumer(parts);
}

/**
 * Removes what is kept of a durable handler that nobody runs any more.
 *
 * @returns whether there was anything
 * @throws {ValidationError} when a process that shares the log runs it
 */
export async function forgetConsumer(store: EventStore, name: string): Promise<boolean> {
  const kept = await internalsOf(store).loadCheckpoint(name);
  const partitions = partitionsOf(name, kept?.partitions ?? 0).map((partition) => partition.name);
  if (store.supports.leases) {
    const isOfIt = (lease: Lease): boolean =>
      lease.name === name || (partitions.length > 0 && lease.name.startsWith(`${name}/`));
    const held = (await internalsOf(store).listLeases(name)).find(isOfIt);
    if (held) throw new ValidationError('name', `"${name}" is run by ${held.holder}: take it out there, too.`);
  }
  // Without the first one, those of the partitions mean nothing.
  for (const each of [name, ...partitions]) await internalsOf(store).removeCheckpoint(each);
  return kept !== undefined;
}
