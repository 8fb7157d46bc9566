import type { TrimRequest } from '../../store/storage-engine.js';
import type { Query } from '../postgres-client.js';
import { integerOrNull } from './integers.js';

/** Removes events. @returns how many */
export function trim(schema: string, { recordedBefore, upTo, limit }: TrimRequest): Query<number> {
  return {
    text: `SELECT ${schema}.trim_log($1, $2, $3)`,
    // Null would stand for "nothing expires".
    values: [
      integerOrNull(Math.min(recordedBefore, Number.MAX_SAFE_INTEGER)),
      integerOrNull(upTo),
      integerOrNull(limit),
    ],
    answer: ([[removed]]) => Number(removed),
  };
}
