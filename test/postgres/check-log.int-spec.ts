import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { openEventStore } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { numbered } from '../support/events.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { RecordingLogger } from '../support/recorders.js';

const { server } = usePostgres();

/** A store of three streams with five events each, in which somebody has written by hand; `events` stands for the table. */
async function openDamaged(damage: (tables: string) => string[]) {
  const schema = server().newSchema();
  const engine = postgresEngine({ connectionString: server().url, schema });
  const store = await openEventStore({ engine, logger: new RecordingLogger() });
  for (const streamId of ['a', 'b', 'c']) await store.append(streamId, numbered(1, 5));
  for (const statement of damage(`"${schema}"`)) await server().run(statement);
  return store;
}

it.each([
  ['nothing in a log that is whole', () => [], []],
  [
    'events that were deleted',
    (tables: string) => [`DELETE FROM ${tables}.events WHERE global_position IN (7, 8)`],
    [
      { kind: 'missing-in-log', streamId: undefined, first: 7, last: 8 },
      { kind: 'missing-in-stream', streamId: 'b', first: 2, last: 3 },
    ],
  ],
  [
    'what appends did that got each other’s revisions: positions with a gap, and a stream that is not listed',
    (tables: string) => [
      `UPDATE ${tables}.events SET position = 9 WHERE stream_id = 'b' AND position = 5`,
      `DELETE FROM ${tables}.streams WHERE stream_id = 'c'`,
    ],
    [
      { kind: 'missing-in-stream', streamId: 'b', first: 5, last: 8 },
      { kind: 'unlisted-stream', streamId: 'c', first: 1, last: 1 },
    ],
  ],
  [
    'events that are in another order in the log than in their stream',
    (tables: string) => [
      `UPDATE ${tables}.events SET position = 99 WHERE stream_id = 'a' AND position = 2`,
      `UPDATE ${tables}.events SET position = 2 WHERE stream_id = 'a' AND position = 3`,
      `UPDATE ${tables}.events SET position = 3 WHERE stream_id = 'a' AND position = 99`,
    ],
    [{ kind: 'out-of-order', streamId: 'a', first: 2, last: 3 }],
  ],
])('checkLog finds %s', async (_, damage, problems) => {
  const store = await openDamaged(damage);

  const check = await store.checkLog();

  expect(check).toEqual({ problems, isComplete: true });
  await store.close();
});

it('gives up after as many problems as were asked for', async () => {
  const store = await openDamaged((tables) => [`DELETE FROM ${tables}.streams`]);

  const check = await store.checkLog({ limit: 2 });

  expect(check).toMatchObject({ problems: [{ streamId: 'a' }, { streamId: 'b' }], isComplete: false });
  await store.close();
});

it('finds nothing wrong with 25 000 events while others append and remove', async () => {
  const store = await openDamaged((tables) => [
    `INSERT INTO ${tables}.streams SELECT 'filled-' || n FROM generate_series(1, 50) AS n`,
    `INSERT INTO ${tables}.events SELECT 15 + (p - 1) * 50 + n, 'filled-' || n, p, 'id', 'filled', '1', '', 5, 5
     FROM generate_series(1, 50) AS n, generate_series(1, 500) AS p`,
    `UPDATE ${tables}.log SET stream_count = 53`,
  ]);
  const state = { isOver: false };
  const write = async (): Promise<void> => {
    while (!state.isOver) await store.append('filled-7', numbered(1, 3));
  };

  const writing = write();
  const check = await store.checkLog().finally(() => (state.isOver = true));
  await writing;

  expect(check).toEqual({ problems: [], isComplete: true });
  await store.close();
}, 60_000);

it('finds nothing wrong any more after what the documentation says was done', async () => {
  const page = readFileSync('docs/postgres-engine.md', 'utf8');
  const [, repair] = /```sql\n(BEGIN;[^`]*COMMIT;)\n```/.exec(page)!;
  const store = await openDamaged((tables) => [
    `UPDATE ${tables}.events SET position = position + 4 WHERE stream_id = 'b' AND position = 5`,
    `UPDATE ${tables}.events SET position = position + 5 WHERE stream_id = 'c'`,
    `DELETE FROM ${tables}.streams WHERE stream_id = 'c'`,
    repair.replaceAll('event_store.', `${tables}.`),
  ]);

  expect(await store.checkLog()).toEqual({ problems: [], isComplete: true });
  for (const streamId of ['a', 'b', 'c']) expect(await store.readStream(streamId)).toHaveLength(5);
  expect((await store.stats()).totalStreams).toBe(3);
  expect(await store.append('c', numbered(6, 6))).toMatchObject({ revision: 6 });
  await store.close();
});
