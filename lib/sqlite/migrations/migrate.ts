import { StorageCorruptedError, StorageTooNewError, ValidationError } from '../../store/values/errors.js';
import { DATABASE_ID, SNAPSHOT_ID } from '../application-ids.js';
import { findSeal } from '../queries/seal.js';
import type { SqliteClient } from '../sqlite-client.js';
import { eventLog } from './0001-event-log.js';
import { leaseDuration } from './0002-lease-duration.js';
import { documents } from './0003-documents.js';

/** In their order, never to be changed: a file says how many of them it has seen. */
const MIGRATIONS: readonly string[] = [eventLog, leaseDuration, documents];

/**
 * Makes sure that the file is a store, or is empty and may become one. Changes nothing.
 *
 * @throws {StorageTooNewError}
 * @throws {StorageCorruptedError} when it is a snapshot, and does not say so
 * @throws {ValidationError} when it is a database of something else
 */
export function checkOwner(client: SqliteClient, file: string): void {
  const { tables } = client.get<{ tables: number }>('SELECT count(*) AS tables FROM sqlite_schema')!;
  const owner = client.get<{ application_id: number }>('PRAGMA application_id')!.application_id;
  const isOurs = owner === DATABASE_ID || owner === SNAPSHOT_ID;
  if (!isOurs && (tables > 0 || owner !== 0)) {
    if (findSeal(client))
      throw new StorageCorruptedError(client.storage, 'it is a snapshot that does not begin like one');
    throw new ValidationError(
      'sqliteEngine.file',
      `${file} is a database of another program: give the store a file of its own.`,
    );
  }
  const version = versionOf(client);
  if (version > MIGRATIONS.length) throw new StorageTooNewError(client.storage, version, MIGRATIONS.length);
}

/** Brings the tables up to date. Several processes may do so at the same time. */
export function migrate(client: SqliteClient): void {
  if (versionOf(client) === MIGRATIONS.length) return;
  client.writing(() => {
    for (const migration of MIGRATIONS.slice(versionOf(client))) client.exec(migration);
    client.exec(`PRAGMA application_id = ${DATABASE_ID}`);
    client.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

function versionOf(client: SqliteClient): number {
  return client.get<{ user_version: number }>('PRAGMA user_version')!.user_version;
}
