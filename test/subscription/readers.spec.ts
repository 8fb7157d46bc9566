import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { type RecordedEvent, START } from 'nestjs-stream-store';
import { ENGINES } from '../support/engines/around-engine.js';
import { collect, until } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { Random } from '../support/worlds/random.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

afterEach(settled);

// Much is done here, and more with SCALE.
jest.setTimeout(scaledTimeLimit(60_000));

type Result = IteratorResult<RecordedEvent, unknown>;

const dataIn = (results: readonly Result[]): unknown[] =>
  results.map((result) => (result.done ? 'done' : result.value.data));

describe.each(ENGINES)('who reads a subscription on %s', (_kind, createEngine) => {
  it('event by event gets what the streams hold', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', { type: 'placed', data: { price: 3 }, metadata: { by: 'me' }, timestamp: 5 });

    const [event] = [(await store.subscribe('orders')[Symbol.asyncIterator]().next()).value as RecordedEvent];

    expect(event).toEqual((await store.readStream('orders'))[0]);
    expect(Object.isFrozen(event) && Object.isFrozen(event.data)).toBe(true);
  });

  it('in batches gets arrays of one to batchSize', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 7));

    const subscription = store.subscribe('orders', START, { batchSize: 3 });
    const batches = collect(subscription.batches());
    await until(() => batches.items.flat().length === 7, 'the seventh event');
    await store.append('orders', numbered(8, 8));
    await until(() => batches.items.flat().length === 8, 'the eighth event');

    expect(dataOf(batches.items.flat())).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(batches.items.every(({ length }) => length >= 1 && length <= 3)).toBe(true);
    expect(dataOf(batches.items.at(-1)!)).toEqual([8]);
  });

  it('with several next() at a time gets the events in the order of the calls', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));
    const iterator = store.subscribe('orders', START, { batchSize: 2 })[Symbol.asyncIterator]();

    const early = Array.from({ length: 6 }, () => iterator.next());
    await store.append('orders', numbered(4, 5));
    await store.append('orders', numbered(6, 8));
    const late = [iterator.next(), iterator.next()];

    expect(dataIn(await Promise.all([...early, ...late]))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('with several next() at a time gets the answers in the order of the calls', async () => {
    const store = await openTestStore({ engine: createEngine() });
    const iterator = store.subscribe('orders', START, { batchSize: 2 })[Symbol.asyncIterator]();
    const answered: number[] = [];
    const calls = Array.from({ length: 9 }, (_, call) => iterator.next().then(() => answered.push(call)));

    for (let index = 0; index < 3; index++) await store.append('orders', numbered(1, 3));
    await Promise.all(calls);

    expect(answered).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('with several next() at a time gets an end for each that waits when it is closed', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 2));
    const subscription = store.subscribe('orders', START, { batchSize: 1 });
    const iterator = subscription[Symbol.asyncIterator]();
    const calls = Array.from({ length: 4 }, () => iterator.next());
    await calls[1];

    await subscription.close();

    expect(dataIn(await Promise.all([...calls, iterator.next()]))).toEqual([1, 2, 'done', 'done', 'done']);
  });

  it('with two iterators shares the events between them', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 6));
    const subscription = store.subscribe('orders', START, { batchSize: 4 });
    const [one, two] = [subscription[Symbol.asyncIterator](), subscription[Symbol.asyncIterator]()];

    const results = await Promise.all([one.next(), two.next(), two.next(), one.next(), two.next(), one.next()]);

    expect(dataIn(results)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('first by event and then in batches gets the rest of the batch first', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 6));
    const subscription = store.subscribe('orders', START, { batchSize: 2 });
    const [events, batches] = [subscription[Symbol.asyncIterator](), subscription.batches()];

    const got = [dataIn([await events.next()])];
    for (let sum = 1; sum < 6; sum += got.at(-1)!.length)
      got.push(dataOf((await batches.next()).value as RecordedEvent[]));

    expect(got.flat()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(got[1]).toEqual([2]);
  });

  it('mixing all ways at random loses and doubles nothing', async () => {
    const store = await openTestStore({ engine: createEngine() });
    for (let seed = 1; seed <= scaled(8); seed++) {
      const random = new Random(seed);
      const streamId = `orders-${seed}`;
      const subscription = store.subscribe({ stream: streamId }, START, { batchSize: 1 + random.below(5) });
      const iterators = [subscription[Symbol.asyncIterator](), subscription[Symbol.asyncIterator]()];
      const batches = subscription.batches();
      const calls: Promise<number[]>[] = [];
      for (let call = 0; call < 30; call++) {
        if (random.below(3) === 0) {
          calls.push(batches.next().then(({ done, value }) => (done ? [] : value.map(({ position }) => position))));
        } else {
          const iterator = random.pick(iterators);
          calls.push(iterator.next().then(({ done, value }) => (done ? [] : [value.position])));
        }
        if (random.below(3) === 0) await settled();
        if (random.below(2) === 0) void store.append(streamId, { type: 'counted' });
      }
      // As many as the calls can take, if each of them took a batch.
      await store.append(streamId, numbered(1, 150));
      const seen = (await Promise.all(calls)).flat();

      expect({ seed, seen }).toEqual({
        seed,
        seen: Array.from({ length: subscription.position }, (_, index) => index + 1),
      });
    }
  });
});

it('an iterator that is asked again after the end stays at the end', async () => {
  const store = await openTestStore();
  const subscription = store.subscribe('orders');
  const iterator = subscription[Symbol.asyncIterator]();
  await subscription.close();

  expect(await iterator.next()).toEqual({ done: true, value: undefined });
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
  expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
});

it('a reader that another reader overtakes sees each event at one of them only', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 50));
  const subscription = store.subscribe('orders', START, { batchSize: 7 });
  const readers = [collect(subscription, settled), collect(subscription)];
  await subscription.caughtUp();

  const all = readers.flatMap(({ items }) => dataOf(items)).sort((a, b) => Number(a) - Number(b));
  expect(all).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
});
