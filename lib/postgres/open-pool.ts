import { ValidationError } from '../store/errors.js';
import type { PostgresPool } from './postgres-client.js';
import type { CheckedPostgresEngineOptions } from './postgres-engine-options.js';

/** The pool that the application has handed in, or a new one. `pg` is loaded only when it is needed here. */
export async function openPool({ source, maxConnections }: CheckedPostgresEngineOptions): Promise<PostgresPool> {
  if ('pool' in source) return source.pool;
  const { Pool } = await loadDriver();
  // A server that has vanished without a word would otherwise be waited for until the system gives up, which takes a quarter of an hour.
  const patience = { connectionTimeoutMillis: 10_000, query_timeout: 60_000 };
  return new Pool({ connectionString: source.connectionString, max: maxConnections, ...patience });
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
