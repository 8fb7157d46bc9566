import { ValidationError } from '../store/errors.js';
import type { EventStore } from '../store/event-store.js';
import type { Consumer } from './consumer.js';
import { type ConsumerParts, EventConsumer } from './event-consumer.js';
import { LeasedConsumer } from './leased-consumer.js';

/** Makes the consumer that a handler needs: a durable one is run by one process at a time where several share the log. */
export function consumerOf(parts: ConsumerParts): Consumer {
  const { store, options } = parts;
  return options.durable !== undefined && store.supports.leases ? new LeasedConsumer(parts) : new EventConsumer(parts);
}

/**
 * Removes what is kept of a durable handler that nobody runs any more.
 *
 * @returns whether there was anything
 * @throws {ValidationError} when a process that shares the log runs it
 */
export async function forgetConsumer(store: EventStore, name: string): Promise<boolean> {
  if (store.supports.leases) {
    const held = (await store.listLeases(name)).find((lease) => lease.name === name);
    if (held) throw new ValidationError('name', `"${name}" is run by ${held.holder}: take it out there, too.`);
  }
  return store.removeCheckpoint(name);
}
