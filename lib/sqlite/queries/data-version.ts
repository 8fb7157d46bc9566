import type { SqliteClient } from '../sqlite-client.js';

/** A number that changes when another connection has committed something. */
export function dataVersion(client: SqliteClient): number {
  return client.get<{ data_version: number }>('PRAGMA data_version')!.data_version;
}
