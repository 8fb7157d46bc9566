import type { SqliteClient } from '../sqlite-client.js';
import type { Stretch } from './events.js';

/**
 * Removes events in a stretch of global positions that begins with the first event there is.
 *
 * @returns how many streams that left without an event, without the store's own
 */
export function removeEvents(client: SqliteClient, { first, last }: Stretch): number {
  client.run(
    `UPDATE streams SET first_position = removed.last + 1
     FROM (SELECT stream, max(position) AS last FROM events WHERE global_position BETWEEN ? AND ? GROUP BY stream) AS removed
     WHERE number = removed.stream`,
    first,
    last,
  );
  client.run('DELETE FROM events WHERE global_position BETWEEN ? AND ?', first, last);
  return client.get<{ emptied: number }>(
    `SELECT count(*) AS emptied FROM streams
     WHERE last_global_position BETWEEN ? AND ? AND substr(stream_id, 1, 1) <> '$'`,
    first,
    last,
  )!.emptied;
}
