import { ValidationError } from '../store/errors.js';
import { PostgresClient, type PostgresPool } from './postgres-client.js';
import type { CheckedPostgresEngineOptions } from './postgres-engine-options.js';

/**
 * A client on the pool that the application has handed in, or on a new one. `pg` is loaded only when it is needed here.
 *
 * @param storage what it is for, in words
 */
export async function openClient(options: CheckedPostgresEngineOptions, storage: string): Promise<PostgresClient> {
  const { source, maxConnections, listen } = options;
  const isOurs = 'connectionString' in source;
  const pool = isOurs ? await newPool(source.connectionString, maxConnections) : source.pool;
  // Whoever works in a transaction may append meanwhile: that needs another connection, and LISTEN has one, too.
  const mostTransactions = (isOurs ? maxConnections : (pool.options?.max ?? Infinity)) - (listen ? 2 : 1);
  return new PostgresClient(pool, { storage, endsPool: isOurs, mostTransactions });
}

async function newPool(connectionString: string, max: number): Promise<PostgresPool> {
  const { Pool } = await loadDriver();
  // A server that has vanished without a word would otherwise be waited for until the system gives up, which takes a
  // quarter of an hour.
  return new Pool({ connectionString, max, connectionTimeoutMillis: 10_000, query_timeout: 60_000 });
}

async function loadDriver(): Promise<{ readonly Pool: new (config: object) => PostgresPool }> {
  try {
    return (await import('pg')).default;
  } catch (error) {
    throw new ValidationError(
      'postgresEngine.connectionString',
      'it needs the package pg, which could not be loaded: run "npm install pg", or hand in a pool.',
      { cause: error },
    );
  }
}
