import type { SqliteClient } from '../sqlite-client.js';
import type { Stretch } from './events.js';

// From the attached database `source` to the connection's own, which has the same tables.

export function attachSource(client: SqliteClient, file: string): void {
  client.run('ATTACH DATABASE ? AS source', file);
}

/** Copies everything but streams and events. */
export function copySmallTables(client: SqliteClient): void {
  client.exec('DELETE FROM main.log; INSERT INTO main.log SELECT * FROM source.log');
  for (const table of ['checkpoints', 'leases']) client.exec(`INSERT INTO main.${table} SELECT * FROM source.${table}`);
}

export function lastStream(client: SqliteClient): number {
  return client.get<{ last: number }>('SELECT coalesce(max(number), 0) AS last FROM source.streams')!.last;
}

export function copyStreams(client: SqliteClient, { first, last }: Stretch): void {
  client.run('INSERT INTO main.streams SELECT * FROM source.streams WHERE number BETWEEN ? AND ?', first, last);
}

export function copyEvents(client: SqliteClient, { first, last }: Stretch): void {
  client.run('INSERT INTO main.events SELECT * FROM source.events WHERE global_position BETWEEN ? AND ?', first, last);
}
