import { existsSync } from 'node:fs';
import { openEventStore } from '../open-event-store.js';
import { ValidationError } from '../store/values/errors.js';
import type { EventStore } from '../store/event-store.js';

/** Where a store is. */
export type StorePlace =
  | { readonly kind: 'postgres'; readonly connectionString: string; readonly schema: string | undefined }
  | { readonly kind: 'sqlite'; readonly file: string };

/**
 * Opens a store that is there. Opening one that is not would make it.
 *
 * @throws {ValidationError} when there is none, or its driver is not installed
 */
export async function openStoreToCheck(place: StorePlace): Promise<EventStore> {
  // What an application would be warned of is not what was asked; what fails comes as an error.
  const logger = { warn: () => undefined, error: () => undefined };
  const options = { maxEventsPerStream: 0, maxStreams: 0, logger };
  if (place.kind === 'sqlite') {
    if (!existsSync(place.file)) throw new ValidationError('--sqlite', `there is no file "${place.file}".`);
    // An integration is loaded only by who asks for it, as its driver may not be there.
    const { sqliteEngine } = await import('../sqlite/sqlite-engine.js');
    return openEventStore({ ...options, engine: sqliteEngine({ file: place.file }) });
  }
  const { connectionString, schema = 'event_store' } = place;
  const { findPostgresStore } = await import('../postgres/find-store.js');
  if (!(await findPostgresStore({ connectionString, schema }))) {
    throw new ValidationError('--schema', `there is no store in schema "${schema}" of this database.`);
  }
  const { postgresEngine } = await import('../postgres/postgres-engine.js');
  return openEventStore({ ...options, engine: postgresEngine({ connectionString, schema, listen: false }) });
}
