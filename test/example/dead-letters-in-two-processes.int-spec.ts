import { join } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { EventStore } from 'nestjs-stream-store';
import { DeadLetterStore } from '../../lib/consumer/dead-letters/dead-letter-store.js';
import { engineOn, newFile } from '../sqlite/sqlite-files.js';
import { type ChildApp, compiledApp, startChild } from '../support/processes/child-app.js';
import { numbered } from '../support/events.js';
import { lettersIn } from '../support/letters-in.js';
import { openTestStore } from '../support/open-test-store.js';
import { usePostgres } from '../support/engines/postgres-stores.js';

const { server, openStore } = usePostgres();
const LETTERS = 200;

let app: string;

beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/dead-letters-app.ts'));
}, 60_000);

jest.setTimeout(120_000);

/** Dead letters of `billing`, one for each event of a stream. */
async function fill(store: EventStore): Promise<void> {
  const letters = new DeadLetterStore(store);
  await store.append('order-1', numbered(1, LETTERS));
  const added = { subscription: 'billing', error: new Error('no card'), attempts: 5, isParked: false };
  for (const event of await store.readStream('order-1')) await letters.add({ ...added, event });
}

const PLACES: readonly (readonly [name: string, open: () => Promise<{ store: EventStore; args: string[] }>])[] = [
  [
    'a SQLite file',
    async () => {
      const file = newFile();
      return { store: await openTestStore({ engine: engineOn(file) }), args: ['sqlite', file] };
    },
  ],
  [
    'PostgreSQL',
    async () => {
      const schema = server().newSchema();
      return { store: await openStore({ schema }), args: ['postgres', server().url, schema] };
    },
  ],
];

/** What each process counted, when both were asked at once. */
async function bothAsked(signal: NodeJS.Signals, children: readonly ChildApp[], verb: string): Promise<number[]> {
  for (const child of children) child.kill(signal);
  const said = await Promise.all(children.map((child) => child.said(new RegExp(`^${verb} `))));
  return said.map(([line]) => Number(line.split(' ')[1]));
}

describe.each(PLACES)('two processes on %s', (_name, open) => {
  async function startTwo() {
    const { store, args } = await open();
    await fill(store);
    const children = [startChild(app, ...args), startChild(app, ...args)];
    await Promise.all(children.map((child) => child.said('ready')));
    return { store, children };
  }

  it('that retry all dead letters at a time hand over each once', async () => {
    const { store, children } = await startTwo();

    const [first, second] = await bothAsked('SIGUSR2', children, 'retried');

    const billed = children.flatMap(({ lines }) => lines.flatMap((line) => /^billed (\d+)$/.exec(line)?.[1] ?? []));
    expect(billed.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: LETTERS }, (_, i) => i + 1));
    expect(first + second).toBe(LETTERS);
    expect(await lettersIn(new DeadLetterStore(store))).toEqual([]);
    await store.close();
  });

  it('that discard all dead letters at a time count each once', async () => {
    const { store, children } = await startTwo();

    const [first, second] = await bothAsked('SIGTERM', children, 'discarded');

    expect(first + second).toBe(LETTERS);
    expect(await lettersIn(new DeadLetterStore(store))).toEqual([]);
    await store.close();
  });
});
