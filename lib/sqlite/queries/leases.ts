import { LeaseLostError } from '../../store/values/errors.js';
import type { Lease, LeaseRequest } from '../../store/ports/storage-engine.js';
import type { SqliteClient } from '../sqlite-client.js';

interface LeaseRow extends Lease {
  /** Milliseconds since 1970. */
  readonly endsAt: number;
  /** Null when an earlier version gave it. */
  readonly durationMs: number | null;
}

function findLease(client: SqliteClient, name: string): LeaseRow | undefined {
  return client.get(
    'SELECT name, holder, token, ends_at AS "endsAt", duration_ms AS "durationMs" FROM leases WHERE name = ?',
    name,
  );
}

/** @returns undefined while another holder has it */
export function acquireLease(
  client: SqliteClient,
  { name, holder, durationMs, evenFrom }: LeaseRequest,
  now: number,
): Lease | undefined {
  const last = findLease(client, name);
  const isGone = last?.holder === evenFrom?.holder && last?.token === evenFrom?.token;
  const isHeld = last !== undefined && last.endsAt > now && !isGone;
  if (isHeld && last.holder !== holder) {
    // The clock was set back since: it counts from now.
    const latest = now + (last.durationMs ?? durationMs);
    if (last.endsAt > latest) client.run('UPDATE leases SET ends_at = ? WHERE name = ?', latest, name);
    return undefined;
  }
  const token = isHeld ? last.token : (last?.token ?? 0) + 1;
  client.run(
    'INSERT OR REPLACE INTO leases (name, holder, token, ends_at, duration_ms) VALUES (?, ?, ?, ?, ?)',
    name,
    holder,
    token,
    now + durationMs,
    durationMs,
  );
  return { name, holder, token };
}

/** A file that was put back gives a token a second time, to another holder: only both together name a lease. */
export function releaseLease(client: SqliteClient, { name, holder, token }: Lease): void {
  client.run('UPDATE leases SET ends_at = 0 WHERE name = ? AND holder = ? AND token = ?', name, holder, token);
}

/** @throws {LeaseLostError} when somebody has taken the lease since */
export function checkLease(client: SqliteClient, { name, holder, token }: Lease): void {
  const last = findLease(client, name);
  if (last?.token !== token || last.holder !== holder) throw new LeaseLostError(name);
}

/** Those that last beyond `now`, sorted by name. */
export function listLeases(client: SqliteClient, prefix: string, now: number): Lease[] {
  return client
    .all<Lease>(
      'SELECT name, holder, token FROM leases WHERE ends_at > ? AND substr(name, 1, length(?)) = ? ORDER BY name',
      now,
      prefix,
      prefix,
    )
    .map(({ name, holder, token }) => ({ name, holder, token }));
}
