import { resolve } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { EventStore } from 'nestjs-stream-store';
import { newFile, engineOn } from '../sqlite/sqlite-files.js';
import { compiledApp, startChildWith } from '../support/processes/child-app.js';
import { openTestStore } from '../support/open-test-store.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { SCALE, scaled, scaledTimeLimit } from '../support/scale.js';

const { server, openStore } = usePostgres();

/** Events of 2 MB, and a heap in MB that cannot hold them. */
const [EVENTS, HEAP] = SCALE < 1 ? [70, 128] : [scaled(300), 256];
const DATA = 'x'.repeat(2_000_000);

let app: string;

beforeAll(async () => {
  app = await compiledApp(resolve(import.meta.dirname, 'heap/large-events-app.ts'));
});

jest.setTimeout(scaledTimeLimit(180_000));

async function fill(store: EventStore): Promise<void> {
  for (let index = 0; index < EVENTS; index++) await store.append(`order-${index % 10}`, { type: 't', data: DATA });
  await store.close();
}

const PLACES: readonly (readonly [kind: string, makeLog: () => Promise<string[]>])[] = [
  [
    'sqlite',
    async () => {
      const file = newFile();
      await fill(await openTestStore({ engine: engineOn(file) }));
      return [file, ''];
    },
  ],
  [
    'postgres',
    async () => {
      const schema = server().newSchema();
      await fill(await openStore({ schema }));
      return [server().url, schema];
    },
  ],
];

describe.each(PLACES)('on %s', (kind, makeLog) => {
  it(`${EVENTS} events of 2 MB go through a process with a heap of ${HEAP} MB, in every way to read them`, async () => {
    const child = startChildWith([`--max-old-space-size=${HEAP}`], app, kind, ...(await makeLog()), String(EVENTS));

    await child.said(`handled ${EVENTS}`);
    await child.said(`at once ${EVENTS} ${EVENTS} ${EVENTS}`);
    child.kill('SIGTERM');
    await child.said('closed');

    expect(child.lines.filter((line) => /^(pages|replayed|followed)/.test(line))).toEqual([
      `pages ${EVENTS}`,
      `replayed ${EVENTS}`,
      `followed ${EVENTS}`,
    ]);
  });
});
