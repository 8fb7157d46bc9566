import type { TrimRequest } from '../../store/ports/storage-engine.js';
import type { Query } from '../postgres-client.js';
import { integerOrNull, timeOrNull } from './integers.js';

/** Removes events. @returns how many */
export function trim(schema: string, { recordedBefore, upTo, limit }: TrimRequest): Query<number> {
  return {
    writes: true,
    text: `SELECT ${schema}.trim_log($1, $2, $3)`,
    values: [timeOrNull(recordedBefore), integerOrNull(upTo), integerOrNull(limit)],
    answer: ([[removed]]) => Number(removed),
  };
}
