import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { type EventStore, memoryEngine, START, type StorageEngine, type SubscriptionTarget } from 'nestjs-stream-store';
import { lastValueFrom, take, tap } from 'rxjs';
import { aroundEngine, shortPagedEngine } from '../support/engines/around-engine.js';
import { collect } from '../support/waiting/collect.js';
import { numbered } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

afterEach(settled);

// Much is done here, and more with SCALE.
jest.setTimeout(scaledTimeLimit(60_000));

const BATCH_SIZE = 256;

/** Counts what an engine hands to subscriptions, which is all that they can be holding. */
function counted(inner: StorageEngine): { engine: StorageEngine; given: () => number; reads: () => number } {
  let given = 0;
  let reads = 0;
  const engine = aroundEngine(async (verb, ask) => {
    const answer = await ask();
    if (verb === 'readStream' || verb === 'readAll') {
      reads++;
      given += (answer as { events: unknown[] }).events.length;
    }
    return answer;
  }, inner);
  return { engine, given: () => given, reads: () => reads };
}

describe.each<[string, () => StorageEngine, number]>([
  ['the memory engine', () => memoryEngine(), scaled(100_000, 20_000)],
  ['a late engine', () => lateEngine(), scaled(10_000, 5_000)],
  ['an engine with short pages', () => shortPagedEngine(100), scaled(10_000, 5_000)],
])('a reader a thousand times slower than the writer, on %s', (_kind, createEngine, total) => {
  it.each<[string, SubscriptionTarget]>([
    ['one stream', 'orders'],
    ['all streams', { all: true }],
  ])('gets all events of %s in order and never holds more than one batch', async (_what, target) => {
    const { engine, given } = counted(createEngine());
    const store = await openTestStore({ engine, maxEventsPerStream: 0 });
    const subscription = store.subscribe(target, START, { batchSize: BATCH_SIZE });
    const iterator = subscription[Symbol.asyncIterator]();
    const batch = Array(1_000).fill({ type: 'counted' });
    let taken = 0;
    let mostHeld = 0;
    const takeOne = async (): Promise<void> => {
      const { value } = (await iterator.next()) as IteratorYieldResult<{ position: number }>;
      if (value.position !== ++taken) throw new Error(`position ${value.position} came as event ${taken}`);
      mostHeld = Math.max(mostHeld, given() - taken);
    };

    for (let appended = 0; appended < total; appended += batch.length) {
      await store.append('orders', batch);
      await takeOne();
    }
    expect(taken).toBe(total / 1_000);
    expect(await subscription.lag()).toBe(total - taken);
    while (taken < total) await takeOne();

    expect(mostHeld).toBeLessThan(BATCH_SIZE);
    expect(given()).toBe(total);
    await subscription.close();
  });
});

it('nothing is read ahead of a reader that does not ask', async () => {
  const { engine, given, reads } = counted(memoryEngine());
  const store = await openTestStore({ engine });
  const batch = Array(50).fill({ type: 'counted' });
  await store.append('orders', batch);
  const subscription = store.subscribe({ all: true }, START, { batchSize: 10 });
  await subscription[Symbol.asyncIterator]().next();
  const readsBefore = reads();

  for (let index = 0; index < 200; index++) {
    await store.append('orders', batch);
    if (index % 20 === 0) await settled();
  }

  expect(reads()).toBe(readsBefore);
  expect(given()).toBe(10);
});

it('a slow reader does not hold up a fast one', async () => {
  const store = await openTestStore();
  let goOn = (): void => undefined;
  const slow = collect(store.subscribe('orders'), () => new Promise<void>((resolve) => (goOn = resolve)));
  const fast = collect(store.subscribe('orders'));

  for (let index = 0; index < 100; index++) await store.append('orders', { type: 'counted' });
  await fast.reached(100);
  expect(slow.items).toHaveLength(1);

  for (let index = 2; index <= 100; index++) {
    goOn();
    await slow.reached(index);
  }
  expect(slow.items.map(({ position }) => position)).toEqual(fast.items.map(({ position }) => position));
});

it('a long history leaves the event loop time for others', async () => {
  const store = await openTestStore({ maxEventsPerStream: 0 });
  for (let index = 0; index < 40; index++)
    await store.append('orders', Array(1_000).fill({ type: 'counted', data: { index } }));
  const subscription = store.subscribe('orders', START, { batchSize: 100 });
  let turns = 0;
  let isReading = true;
  const countTurns = async (): Promise<void> => {
    for (; isReading; turns++) await settled();
  };
  const counting = countTurns();

  const reader = collect(subscription);
  await subscription.caughtUp();
  isReading = false;
  await counting;

  expect(reader.items).toHaveLength(40_000);
  expect(turns).toBeGreaterThan(3);
});

describe('the event loop turns while a reader works without a pause', () => {
  const EVENTS = 1_500;

  /** Keeps the processor busy for a fifth of a millisecond. */
  function work(): void {
    const end = performance.now() + 0.2;
    while (performance.now() < end);
  }

  it.each<[string, (store: EventStore) => Promise<void>]>([
    [
      'through a subscription',
      async (store) => {
        let left = EVENTS;
        for await (const event of store.subscribe('s')) {
          work();
          if (event.position > 0 && --left === 0) return;
        }
      },
    ],
    [
      'as the observer of a subscription',
      async (store) => {
        await lastValueFrom(store.subscribe('s').asObservable().pipe(tap(work), take(EVENTS)));
      },
    ],
    [
      'through a replay',
      async (store) => {
        for await (const event of store.replay()) if (event.position > 0) work();
      },
    ],
    [
      'as the observer of a replay',
      async (store) => {
        await lastValueFrom(store.replay().asObservable().pipe(tap(work)));
      },
    ],
  ])('%s', async (_, read) => {
    const store = await openTestStore();
    await store.append('s', numbered(1, EVENTS));
    let turns = 0;
    let isReading = true;
    const watching = (async () => {
      for (; isReading; turns++) await settled();
    })();

    await read(store);
    isReading = false;
    await watching;

    // 300 ms of work, a turn every five of them; less may do on a machine that is busy with something else.
    expect(turns).toBeGreaterThan(20);
  });
});
