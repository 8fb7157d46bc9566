import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { compiledApp, startChild } from '../support/processes/child-app.js';
import { openTestStore } from '../support/open-test-store.js';
import { engineOn, newFile } from './sqlite-files.js';
import { internalsOf } from '../../lib/store/store-internals.js';

let app: string;

beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/handling-app.ts'));
}, 60_000);

/** Streams enough that each of some partitions has one. */
const STREAMS = Array.from({ length: 40 }, (_, n) => `order-${n}`);

describe.each(['1', '4'])('a process that holds leases of a minute, of a handler with %s partitions', (partitions) => {
  it('and is killed makes room for the next one at once', async () => {
    const file = newFile();
    const store = await openTestStore({ engine: engineOn(file) });
    const first = startChild(app, file, 'first', partitions);
    await first.said('ready');
    for (const stream of STREAMS) await store.append(stream, { type: 't' });
    await first.said(/^first handled/, STREAMS.length);
    const held = await internalsOf(store).listLeases('work');
    first.kill('SIGKILL');
    await first.ended;
    for (const stream of STREAMS) await store.append(stream, { type: 't' });

    const next = startChild(app, file, 'next', partitions);
    await next.said('ready');
    const readyAt = Date.now();
    await next.said(/^next handled/, STREAMS.length);

    expect(held.length).toBeGreaterThan(0);
    expect(Date.now() - readyAt).toBeLessThan(5_000);
  }, 60_000);

  it('and is stopped keeps them', async () => {
    const file = newFile();
    const store = await openTestStore({ engine: engineOn(file) });
    const first = startChild(app, file, 'first', partitions);
    await first.said('ready');
    const held = await internalsOf(store).listLeases('work');
    first.kill('SIGSTOP');

    for (const { name } of held) expect(await internalsOf(store).acquireLease(name, 60_000)).toBeUndefined();
    expect(await internalsOf(store).listLeases('work')).toEqual(held);
  }, 60_000);
});

it('of those who ask together after a process was killed, one gets its lease', async () => {
  const file = newFile();
  const stores = await Promise.all(Array.from({ length: 6 }, () => openTestStore({ engine: engineOn(file) })));
  const first = startChild(app, file, 'first', '1');
  await first.said('ready');
  expect(await internalsOf(stores[0]).listLeases('work')).toHaveLength(1);
  first.kill('SIGKILL');
  await first.ended;

  const answers = await Promise.all(stores.map((store) => internalsOf(store).acquireLease('work', 60_000)));

  expect(answers.filter((lease) => lease !== undefined)).toHaveLength(1);
}, 60_000);

it.each([
  ['with shutdown hooks, as docs/recipes.md advises for `nest start --watch`, gives its lease back', 'hooks', 0],
  ['without them leaves its lease behind', undefined, 1],
])(
  'a process that is told to end %s',
  async (_what, hooks, left) => {
    const file = newFile();
    const engine = engineOn(file);
    await openTestStore({ engine });
    const first = startChild(app, file, 'first', '1', ...(hooks ? [hooks] : []));
    await first.said('ready');

    first.kill('SIGTERM');
    await first.ended;

    expect(await engine.listLeases!('work')).toHaveLength(left);
  },
  60_000,
);
