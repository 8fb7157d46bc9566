import { afterAll, beforeAll } from '@jest/globals';
import type { StorageEngine } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { describeStorageEngine } from 'nestjs-stream-store/testing';
import { type PostgresServer, startPostgres } from '../support/engines/postgres-server.js';

let server: PostgresServer;
beforeAll(async () => void (server = await startPostgres({ fsync: 'off' })), 60_000);
afterAll(() => server.stop());

const schemas = new WeakMap<StorageEngine, string>();

function engineOn(schema: string): StorageEngine {
  const engine = postgresEngine({ connectionString: server.url, schema });
  schemas.set(engine, schema);
  return engine;
}

describeStorageEngine('postgres', {
  supports: { leases: true, transactions: true, documents: true },
  create: () => engineOn(server.newSchema()),
  createAnother: (engine) => engineOn(schemas.get(engine)!),
  destroy: async (engine) => void (await server.run(`DROP SCHEMA "${schemas.get(engine)!}" CASCADE`)),
});
