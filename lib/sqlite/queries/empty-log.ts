import type { SqliteClient } from '../sqlite-client.js';
import type { Log } from './log.js';

/** Removes everything: as after the migrations, but for the tokens of leases. */
export function emptyLog(client: SqliteClient, log: Log): void {
  for (const table of ['events', 'streams', 'checkpoints', 'documents']) client.run(`DELETE FROM ${table}`);
  client.run('UPDATE leases SET ends_at = 0');
  Object.assign(log, { head: 0, recordedAt: null, trimmedTo: 0, streams: 0, changes: log.changes + 1 } satisfies Log);
}
