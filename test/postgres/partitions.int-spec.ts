import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { compiledApp } from '../support/processes/child-app.js';
import { eventually } from '../support/waiting/eventually.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { eventOf, HandlingWorld, ordersOf, upTo } from './fixtures/handling-world.js';

const STREAMS = 20;
const OPTIONS = { partitions: 4, concurrency: 2, checkpointEvery: 10 };

const { server, openStore } = usePostgres();

let app: string;
beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/handling-app.ts'));
}, 60_000);

it('two processes share the partitions, and one takes over what the other had when it is killed', async () => {
  const world = await HandlingWorld.open(app, server(), openStore, OPTIONS);
  const a = await world.start('a');
  await world.start('b');
  await eventually('a fair share', async () => (await world.shares()).join() === '2,2');

  await world.append(STREAMS, 10);
  await eventually('all handled', async () => (await world.handled()).length >= 10 * STREAMS);
  const together = await world.handled();
  await world.append(STREAMS, 5);
  a.kill('SIGKILL');
  await world.append(STREAMS, 5);
  await eventually('all handled', async () => new Set((await world.handled()).map(eventOf)).size === 20 * STREAMS);
  const afterwards = await world.handled();

  // Exactly once while both live, and each stream by one of them.
  expect(new Set(together.map(eventOf)).size).toBe(together.length);
  expect(new Set(together.map(({ name }) => name)).size).toBe(2);
  expect(new Set(together.map(({ stream_id, name }) => `${stream_id} of ${name}`)).size).toBe(STREAMS);
  expect(await world.shares()).toEqual([OPTIONS.partitions]);
  expect(ordersOf(afterwards)).toEqual(Array.from({ length: STREAMS }, () => upTo(20)));
  const repeats = afterwards.length - 20 * STREAMS;
  expect(repeats).toBeLessThanOrEqual(2 * (OPTIONS.checkpointEvery + OPTIONS.concurrency));
}, 60_000);
