import { afterEach, describe, expect, it } from '@jest/globals';
import { START, type SubscriptionTarget, ValidationError } from 'nestjs-stream-store';
import { aroundEngine, ENGINES } from '../support/engines/around-engine.js';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

afterEach(settled);

describe.each(ENGINES)('a subscription on %s', (_kind, createEngine) => {
  it('to a stream that does not exist yet waits for its first event', async () => {
    const store = await openTestStore({ engine: createEngine() });
    const subscription = store.subscribe('orders');
    const reader = collect(subscription);
    await subscription.caughtUp();

    await store.append('others', numbered(1, 3));
    await store.append('orders', numbered(4, 5));
    await reader.reached(2);

    expect(dataOf(reader.items)).toEqual([4, 5]);
    expect(subscription.position).toBe(2);
  });

  it.each<[string, SubscriptionTarget, unknown[]]>([
    ['a stream id', 'order-1', [1, 2, 8]],
    ['{ stream }', { stream: 'order-1' }, [1, 2, 8]],
    ['{ stream, types }', { stream: 'order-1', types: ['order.paid'] }, [2, 8]],
    ['{ streams } with a star at the end', { streams: 'order-*' }, [1, 2, 3, 7, 8]],
    ['{ streams } with a star at the beginning', { streams: '*-1' }, [1, 2, 4, 8]],
    ['{ streams } with a star inside', { streams: 'o*-1' }, [1, 2, 8]],
    ['{ streams } without a star', { streams: 'order-2' }, [3]],
    ['{ streams } of a star alone', { streams: '*' }, [1, 2, 3, 4, 5, 6, 7, 8]],
    ['{ streams, types }', { streams: 'order-*', types: ['*.placed'] }, [1, 3]],
    ['{ all }', { all: true }, [1, 2, 3, 4, 5, 6, 7, 8]],
    ['{ all, types } with several types', { all: true, types: ['order.paid', 'user.*'] }, [2, 4, 8]],
    ['{ all, types } that nothing has', { all: true, types: ['refunded'] }, []],
    ['a stream whose id is the name of a member of every object', '__proto__', [5]],
    ['a stream whose id would be a path', '../x', [6]],
    ['{ stream } whose id looks like a pattern', { stream: 'order-*' }, [7]],
  ])('to %s gets exactly its events', async (_what, target, expected) => {
    const store = await openTestStore({ engine: createEngine() });
    const log = [
      ['order-1', 'order.placed'],
      ['order-1', 'order.paid'],
      ['order-2', 'order.placed'],
      ['user-1', 'user.joined'],
      ['__proto__', 'odd'],
      ['../x', 'odd'],
      ['order-*', 'odd'],
      ['order-1', 'order.paid'],
    ] as const;
    for (const [index, [streamId, type]] of log.slice(0, 4).entries()) {
      await store.append(streamId, { type, data: index + 1 });
    }

    const subscription = store.subscribe(target, START, { batchSize: 2 });
    const reader = collect(subscription);
    for (const [index, [streamId, type]] of log.slice(4).entries()) {
      await store.append(streamId, { type, data: index + 5 });
    }
    await subscription.caughtUp();

    expect(dataOf(reader.items)).toEqual(expected);
    expect(await subscription.lag()).toBe(0);
  });

  it('finds the few events it is for among many others', async () => {
    const store = await openTestStore({ engine: createEngine() });
    for (let index = 1; index <= 20; index++) {
      await store.append('noise', numbered(1, 20));
      if (index % 5 === 0) await store.append('signal', { type: 'found', data: index });
    }

    const reader = collect(store.subscribe({ all: true, types: ['found'] }, START, { batchSize: 3 }));
    await reader.reached(4);
    await store.append('noise', numbered(1, 20));
    await store.append('signal', { type: 'found', data: 25 });
    await reader.reached(5);

    expect(dataOf(reader.items)).toEqual([5, 10, 15, 20, 25]);
  });
});

it('names that only look alike are different streams', async () => {
  const store = await openTestStore();
  await store.append('\u00e9', numbered(1, 1));
  await store.append('e\u0301', numbered(2, 2));

  const subscription = store.subscribe('e\u0301');
  const reader = collect(subscription);
  await subscription.caughtUp();

  expect(dataOf(reader.items)).toEqual([2]);
});

it('an append to another stream does not make a subscription read', async () => {
  let reads = 0;
  const engine = aroundEngine((verb, ask) => {
    if (verb === 'readStream') reads++;
    return ask();
  });
  const store = await openTestStore({ engine });
  const subscription = store.subscribe('orders');
  const reader = collect(subscription);
  await subscription.caughtUp();
  const readsBefore = reads;

  for (let index = 0; index < 100; index++) await store.append(`other-${index % 7}`, numbered(1, 2));
  await settled();

  expect(reads).toBe(readsBefore);
  expect(reader.items).toEqual([]);
});

it('all appends of one turn wake a subscription once', async () => {
  let reads = 0;
  const engine = aroundEngine((verb, ask) => {
    if (verb === 'readAll') reads++;
    return ask();
  });
  const store = await openTestStore({ engine });
  const subscription = store.subscribe({ all: true });
  const reader = collect(subscription);
  await subscription.caughtUp();
  const readsBefore = reads;

  await Promise.all(Array.from({ length: 100 }, (_, index) => store.append('orders', numbered(index, index))));
  await reader.reached(100);
  await settled();

  // One read finds the hundred events, and that there are no more.
  expect(reads - readsBefore).toBe(1);
});

describe('a target that means nothing is refused at once', () => {
  it.each<[string, unknown, string]>([
    ['an empty stream id', '', 'target'],
    ['no object', undefined, 'target'],
    ['null', null, 'target'],
    ['a number', 7, 'target'],
    ['an empty object', {}, 'target'],
    ['only types', { types: ['paid'] }, 'target'],
    ['two choices', { stream: 'orders', streams: 'order-*' }, 'target'],
    ['all: false', { all: false }, 'target'],
    ['an empty stream', { stream: '' }, 'target.stream'],
    ['an empty pattern', { streams: '' }, 'target.streams'],
    ['a stream that is no text', { stream: 7 }, 'target.stream'],
    ['a control character', { stream: 'a\u0000b' }, 'target.stream'],
    ['half of a surrogate pair', { streams: 'a\ud800' }, 'target.streams'],
    ['an empty list of types', { all: true, types: [] }, 'target.types'],
    ['types that are no list', { all: true, types: 'paid' }, 'target.types'],
    ['an empty type', { all: true, types: ['paid', ''] }, 'target.types[1]'],
    ['types of one stream that are no list', { stream: 'orders', types: 'paid' }, 'target.types'],
    ['a member that nobody knows', { stream: 'orders', type: 'paid' }, 'target.type'],
  ])('%s', async (_what, target, field) => {
    const store = await openTestStore();

    expect(() => store.subscribe(target as SubscriptionTarget)).toThrow(ValidationError);
    expect(() => store.subscribe(target as SubscriptionTarget)).toThrow(expect.objectContaining({ field }));
    expect((await store.stats()).subscriptionsActive).toBe(0);
  });

  it.each([0, -1, 1.5, 10_001, NaN, Infinity, '5'])('a batchSize of %p', async (batchSize) => {
    const store = await openTestStore();

    expect(() => store.subscribe('orders', START, { batchSize: batchSize as number })).toThrow(
      expect.objectContaining({ field: 'batchSize' }),
    );
  });
});
