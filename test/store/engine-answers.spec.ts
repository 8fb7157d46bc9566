import { describe, expect, it } from '@jest/globals';
import { type EventStore, memoryEngine, type RecordedEvent, type StorageEngine } from 'nestjs-stream-store';
import { ENGINES, shortPagedEngine } from '../support/engines/around-engine.js';
import { dataOf, numbered, take } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

// An engine may answer at once or late, and with fewer events than it was asked for: readers must not notice.

/** Events 1 to 40 in turn in three streams, of three types, with times that go up and down. */
async function storeOn(engine: StorageEngine): Promise<EventStore> {
  const store = await openTestStore({ engine, clock: new ManualClock() });
  for (let n = 1; n <= 40; n++) {
    await store.append(`s${n % 3}`, { type: `t${n % 4}`, data: n, timestamp: (n * 17) % 40 });
  }
  return store;
}

const READS: [name: string, read: (store: EventStore) => Promise<readonly RecordedEvent[]>][] = [
  ['read', async (store) => (await store.read('s1', 2, 7)).events],
  ['read all', async (store) => (await store.read('s1', 0, 0)).events],
  ['read of a type', async (store) => (await store.read('s1', 1, 3, { types: ['t2', 't0'] })).events],
  ['readStream', (store) => store.readStream('s2')],
  ['readStream backward', (store) => store.readStream('s2', 9, { direction: 'backward', limit: 5 })],
  ['readStream of a type', (store) => store.readStream('s2', 0, { types: ['t1'] })],
  [
    'readStream of a type backward',
    (store) => store.readStream('s2', 0, { types: ['t1'], direction: 'backward', limit: 2 }),
  ],
  ['readStream of no type', (store) => store.readStream('s2', 0, { types: ['none'] })],
  ['readAll', async (store) => (await store.readAll({ limit: 11 })).events],
  ['readAll filtered', async (store) => (await store.readAll({ filter: { stream: 's0', types: ['t1'] } })).events],
  ['readAll backward', async (store) => (await store.readAll({ direction: 'backward', limit: 11 })).events],
  [
    'readAll backward filtered',
    async (store) => (await store.readAll({ direction: 'backward', filter: { types: ['t3'] } })).events,
  ],
  ['readTimeRange', (store) => store.readTimeRange(5, 30)],
  [
    'readTimeRange filtered',
    (store) => store.readTimeRange(5, 30, { filter: { streams: 's*', types: ['t1'] }, limit: 4 }),
  ],
  ['replay', (store) => take(store.replay())],
  ['replay filtered', (store) => take(store.replay(0, 30, { filter: { stream: 's1' }, batchSize: 3 }))],
];

describe.each(ENGINES)('%s', (_, createEngine) => {
  it.each(READS)('gives %s what it gives every reader', async (_name, read) => {
    const [expected, actual] = [await storeOn(memoryEngine()), await storeOn(createEngine())];

    expect(dataOf(await read(actual))).toEqual(dataOf(await read(expected)));
  });

  it('is read in pages without gap or repeat', async () => {
    const store = await storeOn(createEngine());
    const ofStream: unknown[] = [];
    const ofLog: unknown[] = [];
    for (let cursor: Parameters<EventStore['read']>[1] = 0, isEnd = false; !isEnd;) {
      const page = await store.read('s1', cursor, 3);
      ofStream.push(...dataOf(page.events));
      ({ cursor, isEnd } = page);
    }
    for (let from = 0, isEnd = false; !isEnd;) {
      const page = await store.readAll({ from, limit: 3, filter: { types: ['t1', 't2'] } });
      ofLog.push(...dataOf(page.events));
      from = page.globalPosition;
      isEnd = page.isEnd;
    }

    const all = numbered(1, 40).map(({ data }) => data as number);
    expect(ofStream).toEqual(all.filter((n) => n % 3 === 1));
    expect(ofLog).toEqual(all.filter((n) => n % 4 === 1 || n % 4 === 2));
  });

  it('is swept, with every event archived once and in order', async () => {
    const archived: unknown[] = [];
    const clock = new ManualClock();
    const store = await openTestStore({
      clock,
      engine: createEngine(),
      retentionDuration: '1m',
      onExpire: (events) => void archived.push(...dataOf(events)),
    });
    await store.append('a', numbered(1, 30));
    clock.jump(30_000);
    await store.append('b', numbered(31, 35));
    clock.jump(30_001);

    expect(await store.sweep()).toBe(30);
    expect(archived).toEqual(numbered(1, 30).map(({ data }) => data));
    expect(dataOf((await store.readAll()).events)).toEqual([31, 32, 33, 34, 35]);
  });

  it('has one winner among appends that expect the same revision', async () => {
    const store = await openTestStore({ engine: createEngine() });

    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => store.append('a', { type: 't' }, { expectedRevision: 0 })),
    );

    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('a read that takes several answers of the engine', () => {
  it('is one view of the log, also when events come meanwhile', async () => {
    const store = await openTestStore({ engine: shortPagedEngine(2) });
    for (const timestamp of [10, 20, 30, 40, 50]) await store.append('a', { type: 't', timestamp });

    const reading = store.readTimeRange();
    await store.append('a', { type: 't', timestamp: 5 });
    await store.append('a', { type: 't', timestamp: 60 });
    const seen = (await reading).map(({ globalPosition }) => globalPosition).sort((a, b) => a - b);

    expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => index + 1));
  });

  it('can be aborted between two of them', async () => {
    const store = await openTestStore({ engine: shortPagedEngine(2) });
    await store.append('a', numbered(1, 20));
    const reads = [
      (signal: AbortSignal) => store.readStream('a', 0, { signal }),
      (signal: AbortSignal) => store.readAll({ signal }),
      (signal: AbortSignal) => store.readTimeRange(undefined, undefined, { signal }),
    ];

    for (const read of reads) {
      const leaving = new AbortController();
      const reading = read(leaving.signal);
      leaving.abort('enough');
      await expect(reading).rejects.toMatchObject({ code: 'OPERATION_ABORTED', cause: 'enough' });
    }
  });

  it('fails as a whole when the engine fails in the middle, and nothing is left unhandled', async () => {
    const inner = shortPagedEngine(2);
    let answers = 0;
    const engine: StorageEngine = {
      ...inner,
      readAll: (request) => {
        if (++answers === 3) throw new Error('connection lost');
        return inner.readAll(request);
      },
    };
    const store = await openTestStore({ engine });
    await store.append('a', numbered(1, 20));

    await expect(store.readAll()).rejects.toThrow('connection lost');

    expect((await store.readAll()).events).toHaveLength(20);
  });
});
