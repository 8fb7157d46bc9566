import type { Lease, LeaseRequest } from '../../store/ports/storage-engine.js';
import type { Query } from '../postgres-client.js';
import { escapeLike } from './event-conditions.js';

/**
 * Takes a lease, or prolongs it. Only the server's clock decides when one has ended.
 *
 * `clock_timestamp()` and not `now()`: the statement may have waited for another one, and begun long ago. A lease of another
 * that ends later than its duration from now was given before that clock was set back: it stays his, and counts from now.
 */
export function acquireLease(
  schema: string,
  { name, holder, durationMs, evenFrom }: LeaseRequest,
): Query<Lease | undefined> {
  return {
    writes: true,
    text: `
      INSERT INTO ${schema}.leases AS held (name, holder, token, ends_at, duration_ms)
      VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond', $3)
      ON CONFLICT (name) DO UPDATE SET
        (holder, token, ends_at, duration_ms) = (
          SELECT
            CASE WHEN taken THEN excluded.holder ELSE held.holder END,
            CASE WHEN ended THEN held.token + 1 ELSE held.token END,
            now + duration_ms * interval '1 millisecond',
            duration_ms
          FROM (SELECT clock_timestamp() AS now OFFSET 0) AS clock,
            LATERAL (SELECT held.ends_at <= now OR (held.holder, held.token) IS NOT DISTINCT FROM ($4::text, $5::bigint)
              AS ended) AS past,
            LATERAL (SELECT held.holder = excluded.holder OR ended AS taken) AS lease,
            LATERAL (SELECT CASE WHEN taken THEN excluded.duration_ms
              ELSE coalesce(held.duration_ms, excluded.duration_ms) END AS duration_ms) AS duration
        )
      WHERE held.holder = excluded.holder OR held.ends_at <= clock_timestamp()
        OR (held.holder, held.token) IS NOT DISTINCT FROM ($4::text, $5::bigint)
        OR held.ends_at > clock_timestamp()
          + coalesce(held.duration_ms, excluded.duration_ms) * interval '1 millisecond'
      RETURNING token, holder`,
    values: [name, holder, durationMs, evenFrom?.holder ?? null, evenFrom?.token ?? null],
    answer: ([row]) => (row?.[1] === holder ? { name, holder, token: Number(row[0]) } : undefined),
  };
}

/** A server that was put back gives a token a second time, to another holder: only both together name a lease. */
export function releaseLease(schema: string, { name, holder, token }: Lease): Query<void> {
  return {
    writes: true,
    text: `UPDATE ${schema}.leases SET ends_at = '-infinity' WHERE name = $1 AND holder = $2 AND token = $3`,
    values: [name, holder, token],
    answer: () => undefined,
  };
}

export function listLeases(schema: string, prefix: string): Query<Lease[]> {
  return {
    text: `
      SELECT name, holder, token FROM ${schema}.leases
      WHERE name LIKE $1 AND ends_at > clock_timestamp() ORDER BY name`,
    values: [`${escapeLike(prefix)}%`],
    answer: (rows) => rows.map(([name, holder, token]) => ({ name: name!, holder: holder!, token: Number(token) })),
  };
}
