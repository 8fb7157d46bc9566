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
