import type { SqliteClient } from '../sqlite-client.js';
import type { Stretch } from './events.js';

/** Removes the events in a stretch of global positions that begins with the first event there is. */
export function removeEvents(client: SqliteClient, { first, last }: Stretch): void {
  client.run(
    `UPDATE streams SET first_position = removed.last + 1
     FROM (SELECT stream, max(position) AS last FROM events WHERE global_position BETWEEN ? AND ? GROUP BY stream) AS removed
     WHERE number = removed.stream`,
    first,
    last,
  );
  client.run('DELETE FROM events WHERE global_position BETWEEN ? AND ?', first, last);
}
