import { ValidationError } from '../../store/values/errors.js';
import type { EngineContext } from '../../store/ports/storage-engine.js';
import type { PostgresClient, Query } from '../postgres-client.js';

interface ServerSettings {
  readonly encoding: string;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousCommit: string;
  readonly standbyNames: string;
  /** Whether a standby copies it, where the role may know; one that decodes the log is none. */
  readonly hasStandby: boolean;
  /** Functions and operators that stand before those of PostgreSQL with the same name; null for none. */
  readonly shadows: string | null;
}

// Schemas that are searched before that of PostgreSQL itself, as a search_path may say that names it last.
const shadowsAmong = (names: string): string => `
  SELECT n.nspname || '.' || own.name FROM ${names} AS own (name, namespace)
    JOIN pg_catalog.pg_namespace n ON n.oid = own.namespace
  WHERE array_position(current_schemas(true), n.nspname) < array_position(current_schemas(true), 'pg_catalog')
    AND own.name IN (SELECT of.name FROM ${names} AS of (name, namespace) WHERE of.namespace = 'pg_catalog'::regnamespace)`;

const FUNCTIONS = '(SELECT proname, pronamespace FROM pg_catalog.pg_proc)';
const OPERATORS = '(SELECT oprname, oprnamespace FROM pg_catalog.pg_operator)';

const serverSettings: Query<ServerSettings> = {
  text: `SELECT current_setting('server_encoding'), current_setting('fsync'), current_setting('full_page_writes'),
    current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), EXISTS (
      SELECT FROM pg_stat_replication r WHERE r.state = 'streaming'
        AND r.pid NOT IN (SELECT s.active_pid FROM pg_replication_slots s WHERE s.slot_type = 'logical' AND s.active)
    ), (SELECT string_agg(DISTINCT name, ', ') FROM (
      ${shadowsAmong(FUNCTIONS)} UNION ALL ${shadowsAmong(OPERATORS)}
    ) AS shadows (name))`,
  values: [],
  answer: ([[encoding, fsync, fullPageWrites, synchronousCommit, standbyNames, hasStandby, shadows]]) =>
    ({
      ...{ encoding, fsync, fullPageWrites, synchronousCommit, standbyNames, shadows },
      hasStandby: hasStandby === 't',
    }) as ServerSettings,
};

/**
 * Sees that the server can keep what the store promises.
 *
 * @throws {ValidationError} when it cannot
 */
export async function checkServer(
  client: PostgresClient,
  { storeName, logger }: EngineContext,
  requiresStandby: boolean,
): Promise<void> {
  const { encoding, fsync, fullPageWrites, synchronousCommit, standbyNames, hasStandby, shadows } =
    await client.run(serverSettings);
  if (encoding !== 'UTF8') {
    throw new ValidationError('postgresEngine', `the database is encoded in ${encoding}: take one that is in UTF8.`);
  }
  if (shadows !== null) {
    const problem = `search_path finds ${shadows} before what PostgreSQL calls so: leave pg_catalog out of it, or first.`;
    throw new ValidationError('postgresEngine', problem);
  }
  for (const [setting, value] of Object.entries({
    fsync,
    full_page_writes: fullPageWrites,
    synchronous_commit: synchronousCommit,
  })) {
    if (value !== 'off') continue;
    logger.warn(
      `Store "${storeName}": ${setting} is off in PostgreSQL, so a loss of power can take appends that were acknowledged.`,
    );
  }
  const waitsForStandby = standbyNames !== '' && !['off', 'local'].includes(synchronousCommit);
  // Where it is required, an append that could be lost is refused.
  if ((hasStandby || client.connections.servers.length > 1) && !waitsForStandby && !requiresStandby) {
    logger.warn(
      `Store "${storeName}": no commit waits for a standby (synchronous_standby_names, synchronous_commit), so a failover can ` +
        'take appends that were acknowledged.',
    );
  }
}

/**
 * Sees that the role may read all events: what row level security hides would be missing without a word.
 *
 * @throws {ValidationError} when it may not
 */
export async function checkRowSecurity(client: PostgresClient, schema: string): Promise<void> {
  const tables = ['events', 'streams', 'log', 'checkpoints', 'leases', 'documents'];
  const hidden = await client.run<string[]>({
    text: `SELECT name FROM unnest($1::text[]) AS t (name) WHERE row_security_active('${schema}.' || name)`,
    values: [tables],
    answer: (rows) => rows.map(([name]) => name!),
  });
  if (hidden.length === 0) return;
  const problem = `row level security hides rows of ${hidden.join(', ')} from this role: let it see all of them.`;
  throw new ValidationError('postgresEngine', problem);
}
