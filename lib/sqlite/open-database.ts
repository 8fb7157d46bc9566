import { StorageFailedError } from '../store/values/errors.js';
import { checkOwner, migrate } from './migrations/migrate.js';
import { isSealed } from './queries/seal.js';
import { SqliteClient } from './sqlite-client.js';
import type { CheckedSqliteEngineOptions } from './sqlite-engine-options.js';

/** How much of the database a connection keeps in memory, in bytes. */
export const PAGE_CACHE_BYTES = 16 * 1_024 * 1_024;

// After a burst of writes, or a long read, the write-ahead log is cut to this when it begins anew.
const LARGEST_IDLE_WAL_BYTES = 64 * 1_024 * 1_024;

/**
 * Opens the database, and makes of an empty file a store. Can be tried again when another process was in the way.
 *
 * @returns undefined when it is a snapshot, which is to be compared with its checksum first
 */
export function openDatabase({ driver, file, synchronous }: CheckedSqliteEngineOptions): SqliteClient | undefined {
  const client = new SqliteClient(new driver(file), file);
  try {
    // We wait ourselves: see BusyRetry.
    client.exec('PRAGMA busy_timeout = 0');
    if (isSealed(client)) {
      client.close();
      return undefined;
    }
    checkOwner(client, file);
    const { journal_mode: mode } = client.get<{ journal_mode: string }>('PRAGMA journal_mode = WAL')!;
    if (mode !== 'wal') throw new StorageFailedError(client.storage, noWriteAheadLog(mode));
    client.exec(`PRAGMA synchronous = ${synchronous}`);
    // Only on macOS: there, fsync does not wait for the disk (SQLite, "PRAGMA fullfsync").
    if (synchronous === 'FULL') client.exec('PRAGMA fullfsync = 1');
    client.exec(`PRAGMA cache_size = ${-PAGE_CACHE_BYTES / 1_024}`);
    client.exec(`PRAGMA journal_size_limit = ${LARGEST_IDLE_WAL_BYTES}`);
    migrate(client);
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

function noWriteAheadLog(mode: string): Error {
  return new Error(`its journal mode stays ${mode}, as on a network file system, where it cannot be WAL`);
}
