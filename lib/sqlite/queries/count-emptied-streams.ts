import type { SqliteClient } from '../sqlite-client.js';
import type { Stretch } from './events.js';

/** How many streams have no event after a stretch of global positions, but one in it; without the store's own. */
export function countEmptiedStreams(client: SqliteClient, { first, last }: Stretch): number {
  return client.get<{ count: number }>(
    `SELECT count(*) AS count
     FROM (SELECT DISTINCT stream FROM events WHERE global_position BETWEEN ? AND ?) AS e
     CROSS JOIN streams s ON s.number = e.stream
     WHERE s.last_global_position <= ? AND substr(s.stream_id, 1, 1) <> '$'`,
    first,
    last,
    last,
  )!.count;
}
