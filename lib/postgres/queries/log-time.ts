import type { LogTime } from '../../store/ports/storage-engine.js';
import type { Query } from '../postgres-client.js';

/** What time it is by the clock of the server, which is one for all instances. */
export function logTime(schema: string): Query<LogTime> {
  return {
    text: `
      SELECT floor(extract(epoch FROM clock_timestamp()) * 1000), CASE WHEN log_end.head > 0 THEN log_end.recorded_at END
      FROM ${schema}.log_end()`,
    values: [],
    answer: ([[now, recordedAt]]) => ({
      now: Number(now),
      lastRecordedAt: recordedAt === null ? undefined : Number(recordedAt),
    }),
  };
}
