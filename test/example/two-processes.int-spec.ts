import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventStore, StorageEngine } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { engineOn, newFile } from '../sqlite/sqlite-files.js';
import { type ChildApp, compiledApp, startChild } from '../support/processes/child-app.js';
import { numbered } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { type PostgresServer, startPostgres } from '../support/engines/postgres-server.js';
import { RecordingLogger } from '../support/recorders.js';

let app: string;
let server: PostgresServer;
beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/billing-app.ts'));
  server = await startPostgres();
}, 120_000);
afterAll(() => server.stop(), 60_000);

/** A place that several processes can share: an engine on it, and how the application is told of it. */
interface SharedPlace {
  readonly engine: StorageEngine;
  readonly args: readonly string[];
}

const PLACES: readonly (readonly [name: string, newPlace: () => SharedPlace])[] = [
  [
    'a SQLite file',
    () => {
      const file = newFile();
      return { engine: engineOn(file), args: ['sqlite', file] };
    },
  ],
  [
    'PostgreSQL',
    () => {
      const [connectionString, schema] = [server.url, server.newSchema()];
      return { engine: postgresEngine({ connectionString, schema }), args: ['postgres', connectionString, schema] };
    },
  ],
];

/** The global positions of the events that the handler of a process got, in that order. */
function billedBy({ lines }: ChildApp, since = 0): number[] {
  return lines.slice(since).flatMap((line) => (line.startsWith('billed') ? [Number(line.split(' ')[1])] : []));
}

describe.each(PLACES)('two processes on %s, one of which runs a durable handler', (_name, newPlace) => {
  /** How many events there are. */
  let last: number;

  async function order(store: EventStore, count: number): Promise<void> {
    await store.append(`order-${last % 3}`, numbered(last + 1, last + count));
    last += count;
  }

  async function startTwo() {
    last = 0;
    const { engine, args } = newPlace();
    const store = await openTestStore({ engine, logger: new RecordingLogger() });
    const first = startChild(app, ...args);
    await first.said('lease gained');
    const second = startChild(app, ...args);
    await second.said('ready');
    await order(store, 40);
    await first.said(/^billed/, 25);
    return { store, first, second };
  }

  function expectAllInOrder(first: number[], second: number[]): void {
    const upTo = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
    expect(first).toEqual(upTo(1, first.length));
    expect(second).toEqual(upTo(second[0], last));
    // What was not in the checkpoint is delivered again, and nothing is passed over.
    expect(second[0]).toBeLessThanOrEqual(first.length + 1);
  }

  it('go on in the other one, with no event lost or out of order, when it is killed', async () => {
    const { store, first, second } = await startTwo();

    first.kill('SIGKILL');
    await order(store, 10);
    await second.said(`billed ${last}`);

    await first.ended;
    expectAllInOrder(billedBy(first), billedBy(second));
  });

  it('go on in the other one when it is stopped, and it begins nothing more when it wakes up', async () => {
    const { store, first, second } = await startTwo();

    first.kill('SIGSTOP');
    await order(store, 10);
    await second.said(`billed ${last}`);
    const [asleep, billed] = [first.lines.length, billedBy(first)];
    first.kill('SIGCONT');
    await first.said('lease lost');
    await order(store, 10);
    await second.said(`billed ${last}`);

    expectAllInOrder(billed, billedBy(second));
    // It may have begun one when it was stopped.
    expect(billedBy(first, asleep).length).toBeLessThanOrEqual(1);
  });
});
