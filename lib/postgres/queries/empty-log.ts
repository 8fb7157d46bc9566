import type { Query } from '../query.js';

/** Removes everything, in the transaction that it is run in: as after the migrations, but for the tokens of leases. */
export function emptyLog(schema: string): Query<void> {
  return {
    writes: true,
    // The lock is that of appends: one that has begun is removed too, and one that comes finds an empty log.
    text: `
      SELECT pg_advisory_xact_lock(hashtextextended('${schema}', 5748139));
      DELETE FROM ${schema}.events;
      DELETE FROM ${schema}.streams;
      DELETE FROM ${schema}.checkpoints;
      DELETE FROM ${schema}.documents;
      UPDATE ${schema}.leases SET ends_at = '-infinity';
      DELETE FROM ${schema}.log;
      INSERT INTO ${schema}.log DEFAULT VALUES`,
    values: [],
    answer: () => undefined,
  };
}
