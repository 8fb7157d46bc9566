import { afterAll, beforeAll } from '@jest/globals';
import type { EventStore, EventStoreOptions } from 'nestjs-stream-store';
import { postgresEngine, type PostgresEngineOptions } from 'nestjs-stream-store/postgres';
import { openTestStore } from '../open-test-store.js';
import { type PostgresServer, startPostgres } from './postgres-server.js';

/** A store on PostgreSQL; without a schema, on one of its own. */
export type OpenPostgresStore = (
  engine?: Partial<PostgresEngineOptions>,
  options?: Omit<EventStoreOptions, 'engine'>,
) => Promise<EventStore>;

/** Starts a server for the tests of a file. @param settings of the server */
export function usePostgres(settings: Readonly<Record<string, string>> = { fsync: 'off' }): {
  readonly server: () => PostgresServer;
  readonly openStore: OpenPostgresStore;
} {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(settings);
  }, 120_000);
  afterAll(() => server.stop(), 60_000);
  return {
    server: () => server,
    openStore: ({ schema = server.newSchema(), ...engine } = {}, options = {}) => {
      const place = engine.pool ? {} : { connectionString: server.url };
      // That fsync is off is said in a warning.
      const logger = { warn: () => undefined, error: (text: string) => console.error(text) };
      return openTestStore({ logger, ...options, engine: postgresEngine({ ...place, ...engine, schema }) });
    },
  };
}
