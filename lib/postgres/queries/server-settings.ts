import { ValidationError } from '../../store/errors.js';
import type { EngineContext } from '../../store/storage-engine.js';
import type { PostgresClient, Query } from '../postgres-client.js';

interface ServerSettings {
  readonly encoding: string;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousCommit: string;
  readonly standbyNames: string;
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
    current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), (SELECT string_agg(DISTINCT name, ', ') FROM (
      ${shadowsAmong(FUNCTIONS)} UNION ALL ${shadowsAmong(OPERATORS)}
    ) AS shadows (name))`,
  values: [],
  answer: ([[encoding, fsync, fullPageWrites, synchronousCommit, standbyNames, shadows]]) =>
    ({ encoding, fsync, fullPageWrites, synchronousCommit, standbyNames, shadows }) as ServerSettings,
};

/**
 * Sees that the server can keep what the store promises.
 *
 * @throws {ValidationError} when it cannot
 */
export async function checkServer(client: PostgresClient, { storeName, logger }: EngineContext): Promise<void> {
  const { encoding, fsync, fullPageWrites, synchronousCommit, standbyNames, shadows } =
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
  if (client.connections.servers.length > 1 && standbyNames === '') {
    logger.warn(
      `Store "${storeName}": no standby is synchronous (synchronous_standby_names), so a failover can take appends that were ` +
        'acknowledged.',
    );
  }
}

/**
 * Sees that the role may read all events: what row level security hides would be missing without a word.
 *
 * @throws {ValidationError} when it may not
 */
export async function checkRowSecurity(client: PostgresClient, schema: string): Promise<void> {
  const tables = ['events', 'streams', 'log', 'checkpoints', 'leases'];
  const hidden = await client.run<string[]>({
    text: `SELECT name FROM unnest($1::text[]) AS t (name) WHERE row_security_active('${schema}.' || name)`,
    values: [tables],
    answer: (rows) => rows.map(([name]) => name!),
  });
  if (hidden.length === 0) return;
  const problem = `row level security hides rows of ${hidden.join(', ')} from this role: let it see all of them.`;
  throw new ValidationError('postgresEngine', problem);
}
