import { afterAll, beforeAll, describe } from '@jest/globals';
import type { StorageEngine } from 'nestjs-stream-store';
import { describeStorageEngine } from 'nestjs-stream-store/testing';
import { engineUnder, PLANNERS } from '../support/engines/postgres-plans.js';
import { type PostgresServer, startPostgres } from '../support/engines/postgres-server.js';
import { SCALE } from '../support/scale.js';

let server: PostgresServer;
beforeAll(async () => void (server = await startPostgres({ fsync: 'off' })), 60_000);
afterAll(() => server.stop());

/** Each takes minutes. */
const MOST = Math.max(1, Math.round(2 * SCALE));

// What every engine owes is owed whatever plans the server makes.
describe.each(PLANNERS.slice(0, MOST))('under $settings, with $statistics statistics', (planner) => {
  const schemas = new WeakMap<StorageEngine, string>();

  function engineOn(schema: string): StorageEngine {
    const engine = engineUnder(planner, server, schema);
    schemas.set(engine, schema);
    return engine;
  }

  describeStorageEngine('postgres', {
    supports: { leases: true, transactions: true, documents: true },
    create: () => engineOn(server.newSchema()),
    createAnother: (engine) => engineOn(schemas.get(engine)!),
    destroy: async (engine) => void (await server.run(`DROP SCHEMA "${schemas.get(engine)!}" CASCADE`)),
  });
});
