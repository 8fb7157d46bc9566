import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  END,
  type EventStore,
  type RecordedEvent,
  START,
  StorageCorruptedError,
  type StorageEngine,
  type SubscriptionStart,
  type SubscriptionTarget,
  UnsupportedOperationError,
} from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

afterEach(settled);

/** An engine whose reads fail during `brokenWhile`: it throws at once, or answers with a rejected promise. */
class BreakableEngine {
  #failure: Error | undefined;
  reads = 0;
  readonly engine: StorageEngine;

  constructor(how: 'throws' | 'rejects') {
    this.engine = aroundEngine((verb, ask) => {
      if (verb !== 'readStream' && verb !== 'readAll') return ask();
      this.reads++;
      const failure = this.#failure;
      if (!failure) return ask();
      if (how === 'throws') throw failure;
      return settled().then(() => Promise.reject(failure));
    });
  }

  async brokenWhile<Answer>(act: () => Promise<Answer>, failure: Error = DISK_ON_FIRE): Promise<Answer> {
    this.#failure = failure;
    try {
      return await act();
    } finally {
      this.#failure = undefined;
    }
  }
}

const DISK_ON_FIRE = new StorageCorruptedError('log', 'the disk is on fire');

const HOW = ['throws', 'rejects'] as const;
const TARGETS: [string, SubscriptionTarget][] = [
  ['one stream', 'orders'],
  ['all streams', { all: true }],
];

describe.each(HOW)('an engine that %s while a subscription reads', (how) => {
  describe.each(TARGETS)('%s', (_what, target) => {
    async function open(): Promise<{ store: EventStore; breakable: BreakableEngine }> {
      const breakable = new BreakableEngine(how);
      const store = await openTestStore({ engine: breakable.engine });
      await store.append('orders', numbered(1, 4));
      return { store, breakable };
    }

    it('gives its error to the reader and stops the subscription', async () => {
      const { store, breakable } = await open();
      const { signal } = new AbortController();
      const subscription = store.subscribe(target, START, { batchSize: 2, signal });
      const iterator = subscription[Symbol.asyncIterator]();
      const seen = [await iterator.next(), await iterator.next()].map(({ value }) => (value as RecordedEvent).data);

      const error = await breakable.brokenWhile(() => rejectionOf(iterator.next()));

      expect(error).toBe(DISK_ON_FIRE);
      expect(seen).toEqual([1, 2]);
      expect(subscription).toMatchObject({ state: 'stopped', position: 2 });
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
      expect((await store.stats()).subscriptionsActive).toBe(0);
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });

    it('gives its error to a loop that waits for live events', async () => {
      const { store, breakable } = await open();
      const subscription = store.subscribe(target);
      const reader = collect(subscription);
      await subscription.caughtUp();

      const error = await breakable.brokenWhile(async () => {
        await store.append('orders', numbered(5, 5));
        return rejectionOf(reader.ended);
      });

      expect(error).toBe(DISK_ON_FIRE);
      expect(dataOf(reader.items)).toEqual([1, 2, 3, 4]);
      expect(subscription.state).toBe('stopped');
    });

    it('gives its error to one of several calls of next(), and the others come to an end', async () => {
      const { store, breakable } = await open();
      const iterator = store.subscribe(target)[Symbol.asyncIterator]();

      const answers = await breakable.brokenWhile(() =>
        Promise.allSettled([iterator.next(), iterator.next(), iterator.next()]),
      );

      expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
      expect(answers[1]).toMatchObject({ value: { done: true } });
    });

    it('is asked no more by a subscription that has stopped', async () => {
      const { store, breakable } = await open();
      const iterator = store.subscribe(target)[Symbol.asyncIterator]();
      await breakable.brokenWhile(() => rejectionOf(iterator.next()));
      const readsBefore = breakable.reads;

      await store.append('orders', numbered(5, 5));
      await settled();

      expect(breakable.reads).toBe(readsBefore);
    });

    it('tells who waits in caughtUp why', async () => {
      const { store, breakable } = await open();
      const subscription = store.subscribe(target);
      const waiting = rejectionOf(subscription.caughtUp());

      await breakable.brokenWhile(() => rejectionOf(subscription[Symbol.asyncIterator]().next()));

      expect(await waiting).toBe(DISK_ON_FIRE);
    });

    it("tells who waits in caughtUp of an error that is the store's own", async () => {
      const { store, breakable } = await open();
      const subscription = store.subscribe(target);
      const waiting = rejectionOf(subscription.caughtUp());
      const failure = new UnsupportedOperationError('readAll', 'buy a bigger disk.');

      await breakable.brokenWhile(() => rejectionOf(subscription[Symbol.asyncIterator]().next()), failure);

      expect(await waiting).toBe(failure);
    });

    it.each<[string, SubscriptionStart]>([
      ['START', START],
      ['END', END],
    ])('while it looks for %s gives its error to the reader, not to who subscribes', async (_name, from) => {
      const { store, breakable } = await open();

      const { subscription, error } = await breakable.brokenWhile(async () => {
        const subscription = store.subscribe(target, from);
        return { subscription, error: await rejectionOf(subscription[Symbol.asyncIterator]().next()) };
      });

      expect(error).toBe(DISK_ON_FIRE);
      expect(subscription.state).toBe('stopped');
      expect((await store.stats()).subscriptionsActive).toBe(0);
    });

    it('makes no unhandled rejection when nobody reads', async () => {
      const { store, breakable } = await open();
      const subscription = store.subscribe(target, 1);

      const lag = await breakable.brokenWhile(async () => {
        const asked = rejectionOf(subscription.lag());
        await settled().then(settled);
        return asked;
      });
      await subscription.close();

      expect(lag).toBe(DISK_ON_FIRE);
      expect((await store.stats()).subscriptionsActive).toBe(0);
    });

    it('is reported by lag, and the subscription goes on', async () => {
      const { store, breakable } = await open();
      const subscription = store.subscribe(target);
      expect(await breakable.brokenWhile(() => rejectionOf(subscription.lag()))).toBe(DISK_ON_FIRE);

      const reader = collect(subscription);
      await subscription.caughtUp();

      expect(dataOf(reader.items)).toEqual([1, 2, 3, 4]);
    });
  });
});

it('a start that cannot be found makes no unhandled rejection when nobody reads', async () => {
  const breakable = new BreakableEngine('rejects');
  const store = await openTestStore({ engine: breakable.engine });

  const subscription = await breakable.brokenWhile(async () => {
    const subscribed = store.subscribe('orders', END);
    await settled().then(settled);
    return subscribed;
  });
  await subscription.close();

  expect((await store.stats()).subscriptionsActive).toBe(0);
});

it('a failure that comes after the subscription was closed bothers nobody', async () => {
  const breakable = new BreakableEngine('rejects');
  const store = await openTestStore({ engine: breakable.engine });
  const subscription = store.subscribe('orders');

  const answer = await breakable.brokenWhile(async () => {
    const next = subscription[Symbol.asyncIterator]().next();
    await subscription.close();
    return next;
  });

  expect(answer).toEqual({ done: true, value: undefined });
});
