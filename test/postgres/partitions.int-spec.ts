import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import type { EventStore } from 'nestjs-stream-store';
import { type ChildApp, compiledApp, startChild } from '../support/child-app.js';
import { eventually } from '../support/eventually.js';
import { usePostgres } from '../support/postgres-stores.js';

const STREAMS = 20;
const PARTITIONS = 4;
/** `checkpointEvery + concurrency` of the application. */
const MOST_REPEATS_OF_PARTITION = 12;

const { server, openStore } = usePostgres();

let app: string;
beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/handling-app.ts'));
}, 60_000);

interface Handled {
  readonly stream_id: string;
  readonly position: number;
  readonly name: string;
}

async function openWorld() {
  const schema = server().newSchema();
  const store = await openStore({ schema });
  const table = `"${schema}".handled`;
  await server().run(`CREATE TABLE ${table} (number bigserial, stream_id text COLLATE "C", position int, name text)`);
  const rows = async () =>
    (await server().run(`SELECT stream_id, position, name FROM ${table} ORDER BY number`)) as unknown as Handled[];
  const start = async (name: string): Promise<ChildApp> => {
    const child = startChild(app, server().url, schema, name);
    await child.said('ready');
    return child;
  };
  return { store, rows, start };
}

/** How many partitions each process has. */
async function shares(store: EventStore): Promise<number[]> {
  const counts = new Map<string, number>();
  for (const { name, holder } of await store.listLeases('work/')) {
    if (/^work\/\d+$/.test(name)) counts.set(holder, (counts.get(holder) ?? 0) + 1);
  }
  return [...counts.values()];
}

/** Appends `rounds` events to each stream. */
async function append(store: EventStore, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const streams = Array.from({ length: STREAMS }, (_, index) => `order-${index}`);
    await Promise.all(streams.map((streamId) => store.append(streamId, { type: 'changed' })));
  }
}

const eventOf = ({ stream_id, position }: Handled): string => `${stream_id}/${position}`;

/** The positions of each stream, in the order in which they were handled first. */
function ordersOf(rows: readonly Handled[]): number[][] {
  const orders = new Map<string, Set<number>>();
  for (const { stream_id, position } of rows) {
    orders.set(stream_id, (orders.get(stream_id) ?? new Set()).add(position));
  }
  return [...orders.values()].map((order) => [...order]);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

it('two processes share the partitions, and one takes over what the other had when it is killed', async () => {
  const { store, rows, start } = await openWorld();
  const a = await start('a');
  await start('b');
  await eventually('a fair share', async () => (await shares(store)).join() === '2,2');

  await append(store, 10);
  await eventually('all handled', async () => (await rows()).length >= 10 * STREAMS);
  const together = await rows();
  await append(store, 5);
  a.kill('SIGKILL');
  await append(store, 5);
  await eventually('all handled', async () => new Set((await rows()).map(eventOf)).size === 20 * STREAMS);
  const afterwards = await rows();

  // Exactly once while both live.
  expect(new Set(together.map(eventOf)).size).toBe(together.length);
  expect(new Set(together.map(({ name }) => name))).toEqual(new Set(['a', 'b']));
  // A stream belongs to one of them.
  expect(new Set(together.map(({ stream_id, name }) => `${stream_id} of ${name}`)).size).toBe(STREAMS);
  expect(await shares(store)).toEqual([PARTITIONS]);
  expect(ordersOf(afterwards)).toEqual(Array.from({ length: STREAMS }, () => upTo(20)));
  const repeats = afterwards.length - 20 * STREAMS;
  expect(repeats).toBeLessThanOrEqual((PARTITIONS / 2) * MOST_REPEATS_OF_PARTITION);
}, 60_000);
