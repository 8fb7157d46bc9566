import { resolve } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { EventStore } from 'nestjs-stream-store';
import { DeadLetterStore } from '../../lib/consumer/dead-letters/dead-letter-store.js';
import { newFile, engineOn } from '../sqlite/sqlite-files.js';
import { compiledApp, startChildWith } from '../support/processes/child-app.js';
import { openTestStore } from '../support/open-test-store.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { SCALE, scaled, scaledTimeLimit } from '../support/scale.js';

const { server, openStore } = usePostgres();

/** Each letter is retried or discarded by itself, so there are fewer on PostgreSQL, where that takes longest. */
const SIZES = {
  sqlite: { letters: scaled(100_000, 10_000), bytes: SCALE < 1 ? 15_000 : 4_000 },
  postgres: { letters: scaled(20_000, 2_000), bytes: SCALE < 1 ? 75_000 : 20_000 },
};
/** In MB, which cannot hold them. */
const HEAP = SCALE < 1 ? 96 : 256;
const BATCH = 100;

let app: string;

beforeAll(async () => {
  app = await compiledApp(resolve(import.meta.dirname, 'heap/many-dead-letters-app.ts'));
});

jest.setTimeout(scaledTimeLimit(900_000));

/** Dead letters of `billing`, with events of ten streams. */
async function fill(store: EventStore, { letters: count, bytes }: { letters: number; bytes: number }): Promise<void> {
  const letters = new DeadLetterStore(store);
  const data = 'x'.repeat(bytes);
  const error = new Error('no card');
  for (let index = 0; index < count / BATCH; index++) {
    const streamId = `order-${index % 10}`;
    await store.append(
      streamId,
      Array.from({ length: BATCH }, () => ({ type: 'order.placed', data })),
    );
    const events = await store.readStream(streamId, 0, { direction: 'backward', limit: BATCH });
    // Those that come during a commit share the next one.
    await Promise.all(
      events.map((event) => letters.add({ subscription: 'billing', event, error, attempts: 5, isParked: false })),
    );
  }
  await store.close();
}

const PLACES: readonly (readonly [kind: 'sqlite' | 'postgres', makeLog: () => Promise<string[]>])[] = [
  [
    'sqlite',
    async () => {
      const file = newFile();
      await fill(await openTestStore({ engine: engineOn(file), maxEventsPerStream: 0 }), SIZES.sqlite);
      return [file, ''];
    },
  ],
  [
    'postgres',
    async () => {
      const schema = server().newSchema();
      await fill(await openStore({ schema }, { maxEventsPerStream: 0 }), SIZES.postgres);
      return [server().url, schema];
    },
  ],
];

describe.each(PLACES)('on %s', (kind, makeLog) => {
  const { letters } = SIZES[kind];

  it(`${letters} dead letters are counted, paged, retried and discarded on a heap of ${HEAP} MB`, async () => {
    const child = startChildWith([`--max-old-space-size=${HEAP}`], app, kind, ...(await makeLog()));

    await child.said(/^left/);
    child.kill('SIGTERM');
    await child.said('closed');

    expect(child.lines).toEqual([
      `counted ${letters}`,
      `paged ${letters}`,
      'listed 100',
      `retried ${letters / 10} ${letters / 10}`,
      `discarded ${(letters / 10) * 9}`,
      'left 0',
      'closed',
    ]);
  });
});
