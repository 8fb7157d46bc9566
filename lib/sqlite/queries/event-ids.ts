import type { SqliteClient } from '../sqlite-client.js';

/** The ids and global positions of a stream's events from position `first` to `last`, in order. */
export function eventIds(
  client: SqliteClient,
  stream: number,
  first: number,
  last: number,
): readonly { readonly id: string; readonly globalPosition: number }[] {
  return client.all(
    `SELECT id, global_position AS "globalPosition" FROM events
     WHERE stream = ? AND position BETWEEN ? AND ? ORDER BY position`,
    stream,
    first,
    last,
  );
}
