import type { StreamStretch } from '../../store/stretches.js';
import type { Query } from '../postgres-client.js';
import { checkWhole, type Stretch } from './page.js';

/**
 * Sees that no event is missing where a page has passed over some that were not asked for. What was removed meanwhile is not
 * missing.
 *
 * @throws {StorageCorruptedError} when one is
 */
export function checkStretchOfLog(schema: string, { first, last }: Stretch): Query<void> {
  return {
    isPrepared: true,
    text: `
      SELECT log.trimmed_to, (
        SELECT count(*) FROM ${schema}.events e WHERE e.global_position >= $1 AND e.global_position <= $2
      ) FROM ${schema}.log WHERE log.id = 1`,
    values: [first, last],
    answer: ([[trimmedTo, count]]) =>
      checkWhole(`log in schema ${schema}`, { first: Math.max(first, Number(trimmedTo) + 1), last }, Number(count)),
  };
}

/** The same for one stream. */
export function checkStretchOfStream(schema: string, streamId: string, { first, last }: Stretch): Query<void> {
  return {
    isPrepared: true,
    text: `
      SELECT s.trimmed_to, (
        SELECT count(*) FROM ${schema}.events e WHERE e.stream_id = $1 AND e.position >= $2 AND e.position <= $3
      ) FROM ${schema}.streams s WHERE s.stream_id = $1`,
    values: [streamId, first, last],
    answer: ([[trimmedTo, count]]) =>
      checkWhole(
        `stream "${streamId}" in schema ${schema}`,
        { first: Math.max(first, Number(trimmedTo) + 1), last },
        Number(count),
      ),
  };
}

/** The same for several streams at a time, each by its own look at the index. */
export function checkStretchesOfStreams(schema: string, stretches: readonly StreamStretch[]): Query<void> {
  return {
    isPrepared: true,
    text: `
      SELECT s.stream_id, s.trimmed_to, wanted.first, wanted.last, (
        SELECT count(*) FROM ${schema}.events e
        WHERE e.stream_id = s.stream_id AND e.position >= wanted.first AND e.position <= wanted.last
      ) FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS wanted (stream_id, first, last)
      CROSS JOIN LATERAL (
        SELECT s.stream_id, s.trimmed_to FROM ${schema}.streams s WHERE s.stream_id = wanted.stream_id LIMIT 1
      ) AS s`,
    values: [
      stretches.map(({ streamId }) => streamId),
      stretches.map(({ first }) => first),
      stretches.map(({ last }) => last),
    ],
    answer: (rows) => {
      for (const [streamId, trimmedTo, first, last, count] of rows) {
        const stretch = { first: Math.max(Number(first), Number(trimmedTo) + 1), last: Number(last) };
        checkWhole(`stream "${streamId}" in schema ${schema}`, stretch, Number(count));
      }
    },
  };
}
