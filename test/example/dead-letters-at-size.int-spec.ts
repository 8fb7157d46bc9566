import { resolve } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { EventStore } from 'nestjs-stream-store';
import { DeadLetterStore } from '../../lib/consumer/dead-letters/dead-letter-store.js';
import { newFile, engineOn } from '../sqlite/sqlite-files.js';
import { compiledApp, startChildWith } from '../support/processes/child-app.js';
import { openTestStore } from '../support/open-test-store.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

const { server, openStore } = usePostgres();

/** In MB. */
const HEAP = 96;
/** More than the heap can hold. Each letter is retried or discarded by itself, which takes longest on PostgreSQL. */
const BYTES = 150_000_000;
const SIZES = {
  sqlite: sizeOf(scaled(10_000, 4_000)),
  postgres: sizeOf(scaled(2_000, 1_000)),
};
const BATCH = 100;

function sizeOf(letters: number): { letters: number; bytes: number } {
  return { letters, bytes: Math.max(1_500, Math.ceil(BYTES / letters)) };
}

let app: string;

beforeAll(async () => {
  app = await compiledApp(resolve(import.meta.dirname, 'heap/many-dead-letters-app.ts'));
});

jest.setTimeout(scaledTimeLimit(300_000));

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
