import { afterEach, describe, expect, it } from '@jest/globals';
import { memoryEngine, type StorageEngine, type SubscriptionTarget } from 'nestjs-stream-store';
import { ENGINES, hintingEngine } from '../support/engines/around-engine.js';
import { collect, microtasks, until } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { Random } from '../support/worlds/random.js';

afterEach(settled);

describe.each(ENGINES)('hints of %s', (_kind, createEngine) => {
  it('that are doubled or have no reason do no harm', async () => {
    const engine = hintingEngine(createEngine());
    const store = await openTestStore({ engine });
    const random = new Random(7);
    const readers = ['orders', { streams: 'ord*' }, { all: true }, 'unborn'].map((target) =>
      collect(store.subscribe(target as SubscriptionTarget)),
    );

    for (let index = 1; index <= 60; index++) {
      if (random.below(2)) engine.hint(random.pick(['orders', 'unborn', 'nobody', undefined]));
      const appended = store.append('orders', numbered(index, index));
      if (random.below(2)) engine.hint('orders');
      await appended;
      if (random.below(2)) engine.hint();
      await microtasks(random.below(5));
      if (random.below(5) === 0) await settled();
    }
    await Promise.all(readers.slice(0, 3).map(({ reached }) => reached(60)));
    engine.hint();
    await settled();
    await settled();

    const all = Array.from({ length: 60 }, (_, index) => index + 1);
    expect(readers.map(({ items }) => dataOf(items))).toEqual([all, all, all, []]);
  });

  it.each<[string, string | undefined]>([
    ['with the stream', 'orders'],
    ['without a stream', undefined],
  ])('%s wake the reader of what another process appended', async (_what, hinted) => {
    const inner = createEngine();
    const engine = hintingEngine(inner);
    const store = await openTestStore({ engine });
    const [ofStream, ofAll] = [store.subscribe('orders'), store.subscribe({ all: true })];
    const readers = [collect(ofStream), collect(ofAll)];
    await Promise.all([ofStream.caughtUp(), ofAll.caughtUp()]);

    await appendElsewhere(inner);
    await settled();
    const before = readers.map(({ items }) => items.length);
    engine.hint(hinted);
    await Promise.all(readers.map(({ reached }) => reached(1)));

    expect(before).toEqual([0, 0]);
    expect(readers.map(({ items }) => dataOf(items))).toEqual([[1], [1]]);
  });

  it('that were lost are made good by the next append or hint', async () => {
    const inner = createEngine();
    const engine = hintingEngine(inner);
    const store = await openTestStore({ engine });
    const subscription = store.subscribe({ all: true });
    const reader = collect(subscription);
    await subscription.caughtUp();

    await appendElsewhere(inner);
    await store.append('orders', numbered(2, 2));
    await reader.reached(2);

    expect(dataOf(reader.items)).toEqual([1, 2]);
  });

  it('that were lost do not keep caughtUp from what was appended before', async () => {
    const inner = createEngine();
    const store = await openTestStore({ engine: hintingEngine(inner) });
    const subscription = store.subscribe({ all: true });
    const reader = collect(subscription);
    await subscription.caughtUp();

    await appendElsewhere(inner);
    let isCaughtUp = false;
    void subscription.caughtUp().then(() => (isCaughtUp = true));
    await until(() => isCaughtUp, 'the end of caughtUp');

    expect(dataOf(reader.items)).toEqual([1]);
  });
});

// The engine's contract lets every hint be lost, so something else has to look at the log now and then.
it('hints that are all lost delay what another process appended, and withhold nothing', async () => {
  const clock = new ManualClock();
  const inner = memoryEngine();
  const store = await openTestStore({ engine: hintingEngine(inner), clock, snapshotInterval: 0 });
  const subscription = store.subscribe({ all: true });
  const reader = collect(subscription);
  await subscription.caughtUp();

  await appendElsewhere(inner);
  await clock.advance(60_000);

  expect(dataOf(reader.items)).toEqual([1]);
});

it('a store listens to hints while it is open, and no longer', async () => {
  const engine = hintingEngine(memoryEngine());
  const store = await openTestStore({ engine });
  expect(engine.listeners).toBe(1);

  await store.close();

  expect(engine.listeners).toBe(0);
});

it('a hint after the store was closed does nothing', async () => {
  const engine = hintingEngine(memoryEngine());
  let listener: ((streamId?: string) => void) | undefined;
  const store = await openTestStore({
    engine: {
      ...engine,
      onAppended: (told) => {
        listener = told;
        return () => undefined;
      },
    },
  });
  const reader = collect(store.subscribe('orders'));
  await store.close();

  listener?.('orders');
  await reader.ended;

  expect(reader.items).toEqual([]);
});

async function appendElsewhere(engine: StorageEngine): Promise<void> {
  await engine.append({
    streamId: 'orders',
    events: [{ id: undefined, type: 'counted', data: '1', metadata: '', timestamp: undefined }],
    expectedRevision: 'any',
    recordedSince: -Infinity,
  });
}
