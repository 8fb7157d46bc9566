import type { DeadLetterFilter } from '../../consumer/dead-letters/dead-letter-query.js';
import type { Query } from './query.js';

const FILTER = ['subscription', 'error', 'from', 'to', 'stream'] as const;

/** The parameters that say which dead letters are meant. */
export const DEAD_LETTER_FILTER: readonly string[] = FILTER;

/** What a request for a page of dead letters takes. */
export const DEAD_LETTER_PARAMETERS: readonly string[] = [...FILTER, 'after', 'limit'];

/** Which dead letters a query means. */
export function deadLetterFilterOf(query: Query): DeadLetterFilter {
  const filter: Partial<Record<(typeof FILTER)[number], string>> = {};
  for (const name of FILTER) if (query.has(name)) filter[name] = query.text(name);
  return filter;
}
