import { describe, expect, it } from '@jest/globals';
import { lastValueFrom, toArray } from 'rxjs';
import { createEventStore } from '../../lib/open-event-store.js';
import { dataOf, numbered, take } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { storeWith } from '../support/store-with.js';

const day = (n: number): string => `2024-01-${String(n).padStart(2, '0')}T00:00:00Z`;

describe('replay', () => {
  it('gives the events of a time range in the order they happened, both ends included', async () => {
    const store = await openTestStore();
    for (const n of [3, 1, 5, 2, 4]) await store.append(`s${n % 2}`, { type: 't', data: n, timestamp: day(n) });

    expect(dataOf(await take(store.replay(day(2), day(4))))).toEqual([2, 3, 4]);
    expect(dataOf(await take(store.replay()))).toEqual([1, 2, 3, 4, 5]);
  });

  it('ends at once for a range without events', async () => {
    const store = await storeWith(3);

    expect(await take(store.replay('1990-01-01', '1990-01-02'))).toEqual([]);
    expect(await take(store.replay('1990-01-01', '1990-01-02').batches())).toEqual([]);
    expect(await lastValueFrom(store.replay('1990-01-01', '1990-01-02').asObservable().pipe(toArray()))).toEqual([]);
  });

  it('gives the wanted events only', async () => {
    const store = await openTestStore();
    await store.append('order-1', [
      { type: 'order.placed', data: 1 },
      { type: 'note', data: 2 },
    ]);
    await store.append('customer', { type: 'order.placed', data: 3 });

    const replay = store.replay(undefined, undefined, { filter: { streams: 'order-*', types: ['order.*'] } });

    expect(dataOf(await take(replay))).toEqual([1]);
  });

  it('reads nothing before the first event is asked for, and no more than is asked for', async () => {
    const engine = lateEngine();
    const store = await openTestStore({ engine });
    await store.append('s', numbered(1, 100));
    const pagesRead = (): number => engine.asked.filter((verb) => verb === 'readTimeRange').length;

    const events = store.replay(undefined, undefined, { batchSize: 10 })[Symbol.asyncIterator]();
    await settled();
    const before = pagesRead();
    for (let n = 1; n <= 11; n++) await events.next();

    expect(before).toBe(0);
    expect(pagesRead()).toBe(2);
    await events.return!();
  });

  it('does not give what is appended after it was made', async () => {
    const store = await storeWith(3);
    const replay = store.replay(undefined, undefined, { batchSize: 1 });
    await store.append('s', [
      { type: 't', data: 'later' },
      { type: 't', data: 'later', timestamp: 0 },
    ]);
    const seen: unknown[] = [];
    for await (const { data } of replay) {
      seen.push(data);
      await store.append('s', { type: 't', data: 'later', timestamp: Date.now() + 1_000_000 });
    }

    expect(seen).toEqual([1, 2, 3]);
  });

  it('does not give what is appended after it was made, with an engine that answers late', async () => {
    const store = await openTestStore({ engine: lateEngine() });
    await store.append('s', numbered(1, 3));

    const replay = store.replay();
    await store.append('s', numbered(4, 6));

    expect(dataOf(await take(replay))).toEqual([1, 2, 3]);
  });

  it('begins anew with each loop over it, and covers the same events', async () => {
    const store = await storeWith(3);
    const replay = store.replay();

    const first = await take(replay, 2);
    await store.append('s', numbered(4, 4));
    const second = await take(replay);

    expect(dataOf(first)).toEqual([1, 2]);
    expect(dataOf(second)).toEqual([1, 2, 3]);
  });

  it('can be left early, and the store goes on', async () => {
    const store = await storeWith(2_000);
    for await (const event of store.replay()) if (event.position === 3) break;

    const iterator = store.replay()[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.return!();

    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(await store.append('s', { type: 't' })).toMatchObject({ revision: 2_001 });
  });

  it('answers calls of next() that do not wait for each other in order, each event once', async () => {
    const store = await openTestStore({ engine: lateEngine() });
    await store.append('s', numbered(1, 5));
    const events = store.replay(undefined, undefined, { batchSize: 2 })[Symbol.asyncIterator]();

    const results = await Promise.all(Array.from({ length: 7 }, () => events.next()));

    expect(results.map(({ value, done }) => (done ? 'end' : value.data))).toEqual([1, 2, 3, 4, 5, 'end', 'end']);
  });

  it('counts its events as read', async () => {
    const store = await storeWith(7);
    await take(store.replay());

    expect((await store.stats()).eventsRead).toBe(7);
  });

  it('fails in the loop when the engine fails, and only there', async () => {
    const engine = lateEngine();
    const store = await openTestStore({ engine });
    await store.append('s', numbered(1, 3));
    const replay = store.replay();
    await settled();
    engine.failNext('readTimeRange', new Error('disk on fire'));

    await expect(take(replay)).rejects.toThrow('disk on fire');

    expect(dataOf(await take(replay))).toEqual([1, 2, 3]);
  });

  it('made while the store opens covers what was kept then', async () => {
    const store = createEventStore();

    expect(await take(store.replay())).toEqual([]);
    await store.close();
  });
});

describe('replay in batches', () => {
  it('gives arrays of at most batchSize', async () => {
    const store = await storeWith(25);

    const batches = await take(store.replay(undefined, undefined, { batchSize: 10 }).batches());

    expect(batches.map(({ length }) => length)).toEqual([10, 10, 5]);
    expect(dataOf(batches.flat())).toEqual(dataOf(await store.readStream('s')));
  });

  it('gives no empty array, also when a filter lets little through', async () => {
    const store = await openTestStore();
    for (let n = 1; n <= 100; n++) await store.append('s', { type: n % 25 === 0 ? 'rare' : 'common', data: n });

    const batches = await take(
      store.replay(undefined, undefined, { batchSize: 10, filter: { types: ['rare'] } }).batches(),
    );

    expect(batches.map(({ length }) => length)).toEqual([4]);
  });
});
