import type { EngineUsage, Retained } from '../../store/ports/storage-engine.js';
import type { Query } from '../postgres-client.js';
import { timeOrNull } from './integers.js';

/** How much is kept. Global positions have no gaps, so the events need not be counted. */
export function usage(schema: string, { recordedSince }: Retained): Query<Omit<EngineUsage, 'bytes'>> {
  return {
    text: `
      WITH kept AS MATERIALIZED (SELECT ${schema}.first_kept($1) AS first_kept)
      SELECT log_end.head - kept.first_kept + 1, ${schema}.count_streams(kept.first_kept)
      FROM kept, ${schema}.log_end()`,
    values: [timeOrNull(recordedSince)],
    answer: ([[events, streams]]) => ({ events: Number(events), streams: Number(streams) }),
  };
}
