import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Cursor,
  END,
  openEventStore,
  START,
  type SubscriptionStart,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { aroundEngine, ENGINES } from '../support/engines/around-engine.js';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

afterEach(settled);

describe.each(ENGINES)('where a subscription begins, on %s', (_kind, createEngine) => {
  it.each<[string, SubscriptionTarget, SubscriptionStart | undefined, unknown[]]>([
    ['a stream, from nothing given', 'orders', undefined, [1, 2, 4, 5, 7]],
    ['a stream, from START', 'orders', START, [1, 2, 4, 5, 7]],
    ['a stream, from END', 'orders', END, [7]],
    ['a stream, from position 0', 'orders', 0, [1, 2, 4, 5, 7]],
    ['a stream, from a position', 'orders', 2, [4, 5, 7]],
    ['a stream, from its last position', 'orders', 4, [7]],
    ['a stream, from a cursor', 'orders', new Cursor('orders', 3), [5, 7]],
    ['a stream, from a cursor before its first event', 'orders', new Cursor('orders'), [1, 2, 4, 5, 7]],
    ['a stream, from a cursor that was text', 'orders', Cursor.parse('stream:orders pos:4'), [7]],
    ['a stream and types, from a position', { stream: 'orders', types: ['counted'] }, 3, [5, 7]],
    ['a pattern, from START', { streams: 'o*' }, START, [1, 2, 3, 4, 5, 6, 7]],
    ['a pattern, from END', { streams: 'ot*' }, END, []],
    ['a pattern, from a global position', { streams: 'ot*' }, 3, [6]],
    ['all, from START', { all: true }, START, [1, 2, 3, 4, 5, 6, 7]],
    ['all, from END', { all: true }, END, [7]],
    ['all, from a global position', { all: true }, 4, [5, 6, 7]],
  ])('%s: after that, exclusive', async (_what, target, from, expected) => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 2));
    await store.append('others', numbered(3, 3));
    await store.append('orders', numbered(4, 5));
    await store.append('others', numbered(6, 6));

    const subscription = store.subscribe(target, from);
    const reader = collect(subscription);
    await store.append('orders', numbered(7, 7));
    await reader.reached(expected.length);
    await subscription.caughtUp();

    expect(dataOf(reader.items)).toEqual(expected);
  });

  it('END of a stream that does not exist yet is before its first event', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('others', numbered(1, 3));

    const reader = collect(store.subscribe('orders', END));
    await store.append('orders', numbered(4, 5));
    await reader.reached(2);

    expect(dataOf(reader.items)).toEqual([4, 5]);
  });

  it('END is the end at the time of the call, however late the reader begins', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));

    const ofStream = store.subscribe('orders', END);
    const ofAll = store.subscribe({ all: true }, END);
    await store.append('orders', numbered(4, 5));
    await settled();
    const [streamReader, logReader] = [collect(ofStream), collect(ofAll)];
    await streamReader.reached(2);
    await logReader.reached(2);

    expect(dataOf(streamReader.items)).toEqual([4, 5]);
    expect(dataOf(logReader.items)).toEqual([4, 5]);
  });

  it('a position further on than the end passes over the events up to it', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));

    const reader = collect(store.subscribe('orders', 5));
    await store.append('orders', numbered(4, 7));
    await reader.reached(2);

    expect(dataOf(reader.items)).toEqual([6, 7]);
  });

  it('a cursor that a read gave goes on where the read ended', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 5));
    const { events, cursor } = await store.read('orders', 0, 3);

    const reader = collect(store.subscribe('orders', cursor));
    await reader.reached(2);

    expect(dataOf([...events, ...reader.items])).toEqual([1, 2, 3, 4, 5]);
  });

  it('the position of a subscription goes on where that one ended', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 5));
    const first = store.subscribe({ all: true }, START, { batchSize: 4 });
    const seen: unknown[] = [];
    for await (const { data } of first) if (seen.push(data) === 2) break;

    const reader = collect(store.subscribe({ all: true }, first.position));
    await reader.reached(3);

    expect([...seen, ...dataOf(reader.items)]).toEqual([1, 2, 3, 4, 5]);
  });
});

// The first question, for the end, overtaken by an append: each takes its own connection to a server.
it('END is the end at the time of the call, also when an append overtakes the question for it', async () => {
  const engine = aroundEngine(async (verb, ask) => {
    if (verb === 'readStream') await settled().then(settled).then(settled);
    return ask();
  });
  const store = await openTestStore({ engine });
  await store.append('orders', numbered(1, 3));

  const subscription = store.subscribe('orders', END);
  await store.append('orders', numbered(4, 4));
  const reader = collect(subscription);
  await subscription.caughtUp();

  expect(dataOf(reader.items)).toEqual([4]);
});

describe('a start that does not belong to the target is refused at once', () => {
  it.each<[string, SubscriptionTarget, unknown]>([
    ['a cursor of another stream', 'orders', new Cursor('others', 1)],
    ['a cursor of another stream, although before its first event', 'orders', new Cursor('others')],
    ['a cursor of a stream whose id only looks alike', '\u00e9', new Cursor('e\u0301', 1)],
    ['a cursor for a pattern', { streams: 'order*' }, new Cursor('orders', 1)],
    ['a cursor for all streams', { all: true }, new Cursor('orders', 1)],
    ['a negative position', 'orders', -1],
    ['half a position', 'orders', 1.5],
    ['no number', 'orders', NaN],
    ['an infinite position', { all: true }, Infinity],
    ['a position beyond what counts exactly', { all: true }, 2 ** 53],
    ['a word that is neither START nor END', 'orders', 'now'],
    ['null', 'orders', null],
    ['the text of a cursor', 'orders', 'stream:orders pos:1'],
    ['a cursor whose position is none', 'orders', new Cursor('orders', -1)],
  ])('%s', async (_what, target, from) => {
    const store = await openTestStore();
    await store.append('orders', numbered(1, 3));

    expect(() => store.subscribe(target, from as SubscriptionStart)).toThrow(
      expect.objectContaining({ name: 'ValidationError', field: 'from' }),
    );
    expect((await store.stats()).subscriptionsActive).toBe(0);
  });

  it('and a closed store is', async () => {
    const store = await openEventStore();
    await store.close();

    expect(() => store.subscribe('orders')).toThrow(expect.objectContaining({ code: 'STORE_CLOSED' }));
  });
});
