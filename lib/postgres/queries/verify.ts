import type { CheckedLog, PlaceInStream } from '../../store/values/log-check.js';
import type { Query } from '../postgres-client.js';

/** The global position of the last event there ever was. */
export function headOfLog(schema: string): Query<number> {
  return {
    text: `SELECT head FROM ${schema}.log_end()`,
    values: [],
    answer: ([[head]]) => Number(head),
  };
}

export function globalPositions(
  schema: string,
  after: number,
  upTo: number,
  most: number,
): Query<Awaited<ReturnType<CheckedLog['globalPositions']>>> {
  return {
    text: `
      SELECT log.trimmed_to, e.global_position FROM ${schema}.log LEFT JOIN LATERAL (
        SELECT e.global_position FROM ${schema}.events e
        WHERE e.global_position > $1 AND e.global_position <= $2 ORDER BY e.global_position LIMIT $3
      ) AS e ON true WHERE log.id = 1 ORDER BY e.global_position`,
    values: [after, upTo, most],
    answer: (rows) => ({
      trimmedTo: Number(rows[0][0]),
      found: rows.filter(([, position]) => position !== null).map(([, position]) => Number(position)),
    }),
  };
}

/** In the order of the index that finds the events of a stream. A join would read the streams from one end to the other. */
export function placesInStreams(
  schema: string,
  after: PlaceInStream | undefined,
  upTo: number,
  most: number,
): Query<readonly PlaceInStream[]> {
  return {
    text: `
      SELECT e.stream_id, e.position, e.global_position,
        (SELECT s.trimmed_to FROM ${schema}.streams s WHERE s.stream_id = e.stream_id)
      FROM (
        SELECT e.stream_id, e.position, e.global_position FROM ${schema}.events e
        WHERE (e.stream_id, e.position) > ($1::text, $2::bigint) AND e.global_position <= $3
        ORDER BY e.stream_id, e.position LIMIT $4
      ) AS e ORDER BY e.stream_id, e.position`,
    values: [after?.streamId ?? '', after?.position ?? 0, upTo, most],
    answer: (rows) =>
      rows.map(([streamId, position, globalPosition, trimmedTo]) => ({
        stream: streamId!,
        streamId: streamId!,
        position: Number(position),
        globalPosition: Number(globalPosition),
        trimmedTo: trimmedTo === null ? undefined : Number(trimmedTo),
      })),
  };
}
