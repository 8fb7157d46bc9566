import type { StreamEnd } from '../../store/ports/storage-engine.js';
import type { Query } from '../postgres-client.js';

/**
 * Where streams end.
 *
 * The limits keep each look-up to itself: whatever the planner thinks of the number of streams, it goes by their indexes.
 */
export function streamEnds(schema: string, streamIds: readonly string[]): Query<readonly StreamEnd[]> {
  return {
    text: `
      SELECT s.stream_id, coalesce(last.position, s.trimmed_to), last.id FROM unnest($1::text[]) AS wanted (stream_id)
      CROSS JOIN LATERAL (
        SELECT s.stream_id, s.trimmed_to FROM ${schema}.streams s WHERE s.stream_id = wanted.stream_id LIMIT 1
      ) AS s
      LEFT JOIN LATERAL (
        SELECT e.position, e.id FROM ${schema}.events e WHERE e.stream_id = s.stream_id ORDER BY e.position DESC LIMIT 1
      ) AS last ON true`,
    values: [streamIds],
    answer: (rows) =>
      rows.map(([streamId, revision, lastId]) => ({
        streamId: streamId!,
        revision: Number(revision),
        lastId: lastId ?? undefined,
      })),
  };
}
