import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import type { Checkpoint, Lease, StorageEngine } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { compiledApp, startChild } from '../support/processes/child-app.js';
import { eventually } from '../support/waiting/eventually.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { openBareEngine } from './fixtures/bare-engine.js';

const { server } = usePostgres();

let app: string;
beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/leaseholder-app.ts'));
}, 60_000);

const MINE: Checkpoint = { position: 1_000, ahead: [], attempts: [], parked: [], isRunning: true };

async function takeOver(engine: StorageEngine): Promise<Lease> {
  let lease: Lease | undefined;
  await eventually('the lease', async () => {
    lease = await engine.acquireLease!({ name: 'billing', holder: 'second', durationMs: 60_000 });
    return lease !== undefined;
  });
  return lease!;
}

it('fences a holder that was stopped, and goes on after somebody has taken over', async () => {
  const schema = server().newSchema();
  const engine = await openBareEngine(postgresEngine({ connectionString: server().url, schema }));
  const child = startChild(app, server().url, schema);
  await child.said(/^saved/, 3);

  child.kill('SIGSTOP');
  const lease = await takeOver(engine);
  const saved = child.lines.length;
  await engine.saveCheckpoint('billing', MINE, lease);
  child.kill('SIGCONT');
  await child.ended;

  expect(lease.token).toBe(2);
  expect(child.lines.slice(saved).filter((line) => !/^saved/.test(line))).toEqual(['failed LEASE_LOST']);
  expect(await engine.loadCheckpoint('billing')).toEqual(MINE);
  expect(await engine.listLeases!('')).toEqual([lease]);
  await engine.close();
});

it('does not wait for ever for a holder that was stopped within its transaction, and keeps nothing of it', async () => {
  const schema = server().newSchema();
  const engine = await openBareEngine(postgresEngine({ connectionString: server().url, schema }));
  await server().run(`CREATE TABLE "${schema}".handled (position int)`);
  const child = startChild(app, server().url, schema, 'in a transaction');
  await child.said('committing 3');

  child.kill('SIGSTOP');
  const lease = await takeOver(engine);
  const checkpoint = await engine.loadCheckpoint('billing');
  child.kill('SIGCONT');
  await child.ended;

  // What it had committed before is there, the handler's rows and the checkpoint alike.
  expect(checkpoint?.position).toBe(2);
  const rows = await server().run(`SELECT position FROM "${schema}".handled ORDER BY position`);
  expect(rows.map(({ position }) => position)).toEqual([1, 2]);
  expect(child.lines.at(-1)).toBe('failed STORAGE_UNAVAILABLE');
  expect(lease.token).toBe(2);
  await engine.close();
});
