import { getEventListeners, setMaxListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  END,
  type EventStore,
  openEventStore,
  type RecordedEvent,
  START,
  type Subscription,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { collect, until } from '../support/waiting/collect.js';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { lateEngine, type LateEngine } from '../support/engines/late-engine.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

afterEach(settled);

interface Started {
  readonly store: EventStore;
  readonly engine: LateEngine;
  readonly subscription: Subscription;
  readonly controller: AbortController;
  readonly iterator: AsyncIterator<RecordedEvent>;
  /** Calls that wait for an event. */
  readonly waiting: Promise<IteratorResult<RecordedEvent>>[];
}

type Prepare = (started: Started) => Promise<void>;

/** Everything that a subscription can be doing when its end comes. The stream holds the events 1 to 5. */
const STATES: [string, Prepare, { readonly from?: typeof START | typeof END }?][] = [
  ['before anybody reads it', async () => undefined],
  [
    'while it looks for its start',
    async ({ engine, waiting, iterator }) => {
      engine.hold();
      waiting.push(iterator.next());
    },
    { from: END },
  ],
  [
    'while its first read is under way',
    async ({ engine, waiting, iterator }) => {
      await settled();
      await settled();
      engine.hold();
      waiting.push(iterator.next());
      await settled();
      await settled();
    },
  ],
  [
    'while it holds events for its reader',
    async ({ iterator }) => {
      await iterator.next();
    },
  ],
  [
    'while it catches up',
    async ({ waiting, iterator }) => {
      await iterator.next();
      await iterator.next();
      waiting.push(iterator.next(), iterator.next());
      await settled();
    },
  ],
  [
    'while it waits for the next event',
    async ({ waiting, iterator, subscription }) => {
      for (let index = 0; index < 5; index++) await iterator.next();
      waiting.push(iterator.next(), iterator.next());
      await subscription.caughtUp();
    },
  ],
  [
    'while a live read is under way',
    async ({ engine, waiting, iterator, subscription, store }) => {
      for (let index = 0; index < 5; index++) await iterator.next();
      waiting.push(iterator.next());
      await subscription.caughtUp();
      await store.append('orders', numbered(6, 6));
      engine.hold();
      await settled();
    },
  ],
  ['after it was closed', async ({ subscription }) => subscription.close()],
];

const ENDS: [string, (started: Started) => Promise<unknown> | void][] = [
  ['close()', ({ subscription }) => subscription.close()],
  ['closing twice', ({ subscription }) => Promise.all([subscription.close(), subscription.close()])],
  ['its signal', ({ controller }) => controller.abort()],
  ['Symbol.asyncDispose', ({ subscription }) => subscription[Symbol.asyncDispose]()],
  ['the return() of its iterator', ({ iterator }) => iterator.return?.()],
  ['the return() of another iterator', ({ subscription }) => subscription.batches().return?.()],
  ['unsubscribing its Observable', ({ subscription }) => subscription.asObservable().subscribe().unsubscribe()],
];

async function start(target: SubscriptionTarget, prepare: Prepare, from: typeof START | typeof END): Promise<Started> {
  const engine = lateEngine();
  const store = await openTestStore({ engine });
  await store.append('orders', numbered(1, 5));
  const controller = new AbortController();
  const subscription = store.subscribe(target, from, { signal: controller.signal, batchSize: 2 });
  const iterator = subscription[Symbol.asyncIterator]();
  const started = { store, engine, subscription, controller, iterator, waiting: [] };
  await prepare(started);
  return started;
}

const TARGETS: [string, SubscriptionTarget][] = [
  ['one stream', 'orders'],
  ['all streams', { all: true }],
];

describe.each(TARGETS)('a subscription to %s', (_target, target) => {
  describe.each(STATES)('%s', (_state, prepare, { from = START } = {}) => {
    it.each(ENDS)('is ended by %s: its reader comes to an end, and nothing is left', async (_how, end) => {
      const started = await start(target, prepare, from);
      const { store, engine, subscription, controller, iterator, waiting } = started;

      await end(started);
      expect(subscription.state).toBe('stopped');
      engine.release();
      await settled();
      const askedBefore = engine.asked.length;

      for (const next of waiting) expect(await next).toEqual({ done: true, value: undefined });
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
      expect(await subscription.batches().next()).toEqual({ done: true, value: undefined });
      expect(await rejectionOf(subscription.caughtUp())).toMatchObject({ code: 'SUBSCRIPTION_ENDED' });
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
      await store.append('orders', numbered(7, 7));
      await settled();
      await settled();
      // The append was asked, and no read after it.
      expect(engine.asked.slice(askedBefore)).toEqual(['append']);
      expect((await store.stats()).subscriptionsActive).toBe(0);
    });

    it('is ended by its store', async () => {
      const { store, engine, subscription, controller, iterator, waiting } = await start(target, prepare, from);

      const closed = store.close();
      expect(subscription.state).toBe('stopped');
      engine.release();
      await closed;

      for (const next of waiting) expect(await next).toEqual({ done: true, value: undefined });
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    });

    it('has no question open when its store closes the engine', async () => {
      const { store, engine } = await start(target, prepare, from);

      const closed = store.close();
      await settled();
      engine.release();
      await closed;

      // The engine's contract: `close` comes last.
      expect(engine.unansweredAtClose).toEqual([]);
    });
  });
});

it('breaking out of a loop over events closes the subscription', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 5));
  const subscription = store.subscribe('orders');
  const seen: unknown[] = [];

  for await (const { data } of subscription) {
    seen.push(data);
    if (data === 3) break;
  }

  expect(seen).toEqual([1, 2, 3]);
  expect(subscription).toMatchObject({ state: 'stopped', position: 3 });
  expect((await store.stats()).subscriptionsActive).toBe(0);
});

it('breaking out of a loop over batches closes the subscription', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 5));
  const subscription = store.subscribe('orders', START, { batchSize: 2 });

  for await (const batch of subscription.batches()) if (batch.length > 0) break;

  expect(subscription).toMatchObject({ state: 'stopped', position: 2 });
  expect((await store.stats()).subscriptionsActive).toBe(0);
});

it('an error inside a loop closes the subscription and leaves the loop', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 5));
  const subscription = store.subscribe('orders');
  const failure = new Error('the reader failed');

  const loop = async (): Promise<void> => {
    for await (const { data } of subscription) if (data === 2) throw failure;
  };

  expect(await rejectionOf(loop())).toBe(failure);
  expect(subscription.state).toBe('stopped');
  expect((await store.stats()).subscriptionsActive).toBe(0);
});

it('a loop over a subscription that is closed from outside ends without an error', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 5));
  const subscription = store.subscribe('orders');
  const seen: unknown[] = [];

  for await (const { data } of subscription) {
    seen.push(data);
    if (data === 2) await subscription.close();
  }

  expect(seen).toEqual([1, 2]);
});

it('await using closes the subscription at the end of its block', async () => {
  const store = await openTestStore();
  let subscription: Subscription;
  {
    await using using = store.subscribe('orders');
    subscription = using;
    expect((await store.stats()).subscriptionsActive).toBe(1);
  }

  expect(subscription.state).toBe('stopped');
  expect((await store.stats()).subscriptionsActive).toBe(0);
});

it('a signal that is aborted already ends the subscription at once', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 5));
  const signal = AbortSignal.abort(new Error('too late'));

  const subscription = store.subscribe('orders', START, { signal });

  expect(subscription.state).toBe('stopped');
  expect((await store.stats()).subscriptionsActive).toBe(0);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  const reader = collect(subscription);
  await reader.ended;
  expect(reader.items).toEqual([]);
  expect(await rejectionOf(subscription.caughtUp())).toMatchObject({ cause: new Error('too late') });
});

it('one signal can end many subscriptions', async () => {
  const store = await openTestStore();
  const controller = new AbortController();
  // Node takes more than ten listeners for a leak, and says so.
  setMaxListeners(20, controller.signal);
  const readers = Array.from({ length: 20 }, (_, index) =>
    collect(store.subscribe(index % 2 ? 'orders' : { all: true }, START, { signal: controller.signal })),
  );
  await store.append('orders', numbered(1, 2));
  await Promise.all(readers.map(({ reached }) => reached(2)));

  controller.abort();
  await Promise.all(readers.map(({ ended }) => ended));

  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  expect((await store.stats()).subscriptionsActive).toBe(0);
});

it('a reader that is busy when the store closes gets no further event', async () => {
  const store = await openEventStore();
  await store.append('orders', numbered(1, 5));
  let goOn = (): void => undefined;
  const reader = collect(store.subscribe('orders'), () => new Promise<void>((resolve) => (goOn = resolve)));
  await reader.reached(1);

  await store.close();
  goOn();
  await reader.ended;

  expect(dataOf(reader.items)).toEqual([1]);
});

it('closing one subscription leaves the others alone', async () => {
  const store = await openTestStore();
  const [one, two] = [store.subscribe('orders'), store.subscribe('orders')];
  const readers = [collect(one), collect(two)] as const;
  await store.append('orders', numbered(1, 2));
  await Promise.all([one.caughtUp(), two.caughtUp()]);

  await one.close();
  await store.append('orders', numbered(3, 4));
  await readers[1].reached(4);

  expect(dataOf(readers[0].items)).toEqual([1, 2]);
  expect(dataOf(readers[1].items)).toEqual([1, 2, 3, 4]);
  expect((await store.stats()).subscriptionsActive).toBe(1);
});

it('a subscription that has ended can be collected as garbage while its store lives', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const store = await openTestStore();
  const end = async (target: SubscriptionTarget): Promise<WeakRef<Subscription>> => {
    const subscription = store.subscribe(target);
    const reader = collect(subscription);
    await subscription.caughtUp();
    await subscription.close();
    await reader.ended;
    return new WeakRef(subscription);
  };
  const ended = await Promise.all(['orders', 'orders', { all: true as const }].map(end));

  await until(() => {
    collectGarbage();
    return ended.every((subscription) => subscription.deref() === undefined);
  }, 'the end of the ended subscriptions');
});

it('subscriptions that come and go leave nothing behind', async () => {
  const store = await openTestStore();
  const { signal } = new AbortController();
  await store.append('orders', numbered(1, 1));
  for (let round = 0; round < 2_000; round++) {
    const subscription = store.subscribe(round % 2 ? 'orders' : `other-${round}`, START, { signal });
    if (round % 3) void subscription[Symbol.asyncIterator]().next();
    await subscription.close();
  }

  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect((await store.stats()).subscriptionsActive).toBe(0);
});
