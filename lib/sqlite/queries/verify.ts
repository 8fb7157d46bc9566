import type { PlaceInStream } from '../../store/values/log-check.js';
import type { SqliteClient } from '../sqlite-client.js';

export function globalPositions(client: SqliteClient, after: number, upTo: number, most: number): number[] {
  return client
    .all<{ position: number }>(
      `SELECT global_position AS position FROM events
       WHERE global_position > ? AND global_position <= ? ORDER BY global_position LIMIT ?`,
      after,
      upTo,
      most,
    )
    .map(({ position }) => position);
}

/** In the order of the numbers of streams. One that has no row has no name either, and goes by its number. */
export function placesInStreams(
  client: SqliteClient,
  after: PlaceInStream | undefined,
  upTo: number,
  most: number,
): PlaceInStream[] {
  return client
    .all<Omit<PlaceInStream, 'trimmedTo'> & { trimmedTo: number | null }>(
      `SELECT e.stream, coalesce(s.stream_id, '#' || e.stream) AS "streamId", e.position,
         e.global_position AS "globalPosition", s.first_position - 1 AS "trimmedTo"
       FROM events e LEFT JOIN streams s ON s.number = e.stream
       WHERE (e.stream, e.position) > (?, ?) AND e.global_position <= ? ORDER BY e.stream, e.position LIMIT ?`,
      after?.stream ?? 0,
      after?.position ?? 0,
      upTo,
      most,
    )
    .map((row) => ({ ...row, trimmedTo: row.trimmedTo ?? undefined }));
}
