import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { costPerCall } from '../measure.mjs';

export const title = 'SQLite';

export const about = `\
Both stores keep their events in one file, in WAL mode with \`synchronous = FULL\`: an acknowledged append has reached the
disk. Events have a short text as their payload, and every append says which revision it expects. Each writer has a stream
of its own and waits for each append before the next; costs are per event. emmett-sqlite opens a connection for every call,
as it does by default; a call that fails, because it begins before its connection is ready, is made again. With 16 writers on one
file most of its calls would fail, so there it gets one connection for all, which is how it does best. No call of ours may
fail. Ours uses the driver that an application would have: \`node:sqlite\`, or better-sqlite3 on Node 20.`;

const TYPE = 'happened';
const DATA = 'a short payload';

export const rows = [
  {
    number: 13,
    work: 'append one event, 1 writer',
    ours: 'ours, 1 writer',
    against: 'emmett-sqlite',
    theirs: 'emmett, 1 writer',
    goal: { atLeast: 8 },
  },
  {
    number: 13,
    work: 'append one event, 16 writers',
    ours: 'ours, 16 writers',
    against: 'emmett-sqlite, one connection',
    theirs: 'emmett, 16 writers',
    goal: { atLeast: 7 },
  },
  {
    number: 13,
    work: 'append an event in a batch of 100, 1 writer',
    ours: 'ours, batches of 100',
    against: 'emmett-sqlite',
    theirs: 'emmett, batches of 100',
    goal: { atLeast: 5 },
  },
  {
    number: 15,
    work: 'read a stream of 1 000',
    ours: 'ours, read 1 000',
    against: 'emmett-sqlite',
    theirs: 'emmett, read 1 000',
    goal: { atLeast: 2.3 },
  },
];

export const cases = Object.fromEntries(
  Object.entries({ ours: openOurs, emmett: openEmmett }).flatMap(([name, open]) => [
    [`${name}, 1 writer`, (run) => append(run, open, { writers: 1, calls: 1_000, batch: 1 })],
    [`${name}, 16 writers`, (run) => append(run, open, { writers: 16, calls: 400, batch: 1 })],
    [`${name}, batches of 100`, (run) => append(run, open, { writers: 1, calls: 200, batch: 100 })],
    [`${name}, read 1 000`, (run) => read(run, open)],
  ]),
);

/** What an event costs when several writers append at the same time. */
async function append({ scaled }, open, { writers, calls, batch }) {
  return inFolder(async (folder) => {
    const store = await open(join(folder, 'events.db'), writers);
    const events = store.batchOf(batch);
    const count = scaled(calls);
    // The first append of a stream makes it, and the first of all prepares the statements.
    const write = async (writer, from, to) => {
      for (let call = from; call < to; call++) await store.append(`stream-${writer}`, events, call * batch);
    };
    const allWrite = (from, to) => Promise.all(Array.from({ length: writers }, (_, writer) => write(writer, from, to)));
    await allWrite(0, 10);
    const cost = await costPerCall(1, () => allWrite(10, 10 + count));
    for (let writer = 0; writer < writers; writer++) {
      assert.equal(await store.count(`stream-${writer}`), (10 + count) * batch);
    }
    await store.close();
    return cost / (count * batch * writers);
  });
}

async function read({ scaled }, open) {
  return inFolder(async (folder) => {
    const store = await open(join(folder, 'events.db'), 1);
    for (let call = 0; call < 10; call++) await store.append('stream-0', store.batchOf(100), call * 100);
    await costPerCall(scaled(100), () => store.count('stream-0'));
    const cost = await costPerCall(scaled(400), () => store.count('stream-0'));
    assert.equal(await store.count('stream-0'), 1_000);
    await store.close();
    return cost;
  });
}

async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'stream-store-bench-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function openOurs(file) {
  const { openEventStore } = await import('../../dist/esm/index.js');
  const { sqliteEngine } = await import('../../dist/esm/sqlite/index.js');
  const hasBuiltIn = process.getBuiltinModule?.('node:sqlite') !== undefined;
  const driver = hasBuiltIn ? undefined : (await import('better-sqlite3')).default;
  const counted = { appended: 0 };
  const metricsCollector = { onAppend: ({ events }) => void (counted.appended += events) };
  const store = await openEventStore({ engine: sqliteEngine({ file, driver }), metricsCollector });
  return {
    batchOf: (count) => Array.from({ length: count }, () => ({ type: TYPE, data: DATA })),
    append: (streamId, events, revision) => store.append(streamId, events, { expectedRevision: revision }),
    count: async (streamId) => (await store.readStream(streamId)).length,
    close: () => store.close(),
  };
}

async function openEmmett(file, writers) {
  const { getSQLiteEventStore, sqliteConnection } = await import('@event-driven-io/emmett-sqlite');
  const connection = writers > 1 ? sqliteConnection({ fileName: file }) : undefined;
  const store = getSQLiteEventStore({
    fileName: file,
    ...(connection && { connectionOptions: { singleton: true, connection } }),
  });
  return {
    batchOf: (count) => Array.from({ length: count }, () => ({ type: TYPE, data: DATA })),
    append: async (streamId, events, revision) => {
      const append = () =>
        store.appendToStream(streamId, events, revision === 0 ? {} : { expectedStreamVersion: BigInt(revision) });
      for (let attempt = 1; ; attempt++) {
        try {
          return await append();
        } catch (error) {
          if (error.code !== 'SQLITE_BUSY' || attempt === 10) throw error;
        }
      }
    },
    count: async (streamId) => (await store.readStream(streamId)).events.length,
    close: async () => connection?.close(),
  };
}
