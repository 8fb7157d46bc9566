import { ValidationError } from '../store/values/errors.js';
import { PostgresClient, type PostgresPool } from './postgres-client.js';
import type { CheckedPostgresEngineOptions } from './postgres-engine-options.js';
import type { ServerAddress } from './server-addresses.js';
import { type Server, ServerConnections } from './server-connections.js';

/**
 * A client on the pool that the application has handed in, or on a new one. `pg` is loaded only when it is needed here.
 *
 * @param storage what it is for, in words
 */
export async function openClient(options: CheckedPostgresEngineOptions, storage: string): Promise<PostgresClient> {
  const { source, listen: listens } = options;
  if ('pool' in source) {
    return new PostgresClient(ServerConnections.of(source.pool), { storage, endsPools: false, listens });
  }
  const connections = new ServerConnections(await poolsOf(source.servers, options.maxConnections));
  return new PostgresClient(connections, { storage, endsPools: true, listens });
}

async function poolsOf(servers: readonly ServerAddress[], max: number): Promise<Server[]> {
  const { Pool } = await loadDriver();
  // A server that has vanished without a word would otherwise be waited for until the system gives up, which takes a
  // quarter of an hour. Where there is another one to try, half a minute is not waited for the first.
  const connectionTimeoutMillis = servers.length > 1 ? 5_000 : 10_000;
  const options = { max, connectionTimeoutMillis, query_timeout: 60_000 };
  return servers.map(({ name, connectionString }) => ({ name, pool: new Pool({ ...options, connectionString }) }));
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
