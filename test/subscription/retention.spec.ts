import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  END,
  type EventStore,
  type RecordedEvent,
  START,
  type StorageEngine,
  type Subscription,
  type SubscriptionGap,
  type SubscriptionStart,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { ENGINES, hintingEngine } from '../support/engines/around-engine.js';
import { collect, microtasks } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { Random } from '../support/worlds/random.js';
import { RecordingLogger } from '../support/recorders.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

afterEach(settled);

// Much is done here, and more with SCALE.
jest.setTimeout(scaledTimeLimit(60_000));

interface Setup {
  readonly store: EventStore;
  readonly clock: ManualClock;
  readonly logger: RecordingLogger;
  /** What the metrics collector was told. */
  readonly measured: { store: string; subscription: string }[];
}

/** A store that keeps events for a minute. */
async function openForgetful(engine?: StorageEngine): Promise<Setup> {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const measured: Setup['measured'] = [];
  const metricsCollector = { onSubscriptionGap: (gap: Setup['measured'][number]) => void measured.push(gap) };
  const store = await openTestStore({
    name: 'forgetful',
    retentionDuration: '1m',
    snapshotInterval: 0,
    clock,
    logger,
    metricsCollector,
    ...(engine && { engine }),
  });
  return { store, clock, logger, measured };
}

const HOW: [string, (clock: ManualClock) => Promise<void>][] = [
  ['swept away', (clock) => clock.advance(61_000)],
  ['hidden', async (clock) => clock.jump(61_000)],
];

describe.each(ENGINES)('retention and a subscription on %s', (_kind, createEngine) => {
  describe.each(HOW)('events that were %s before they were read', (_how, expire) => {
    it.each<[string, SubscriptionTarget, SubscriptionGap, string]>([
      ['one stream', 'orders', { after: 2, trimmedTo: 4 }, 'stream "orders"'],
      ['streams', { streams: 'ord*' }, { after: 3, trimmedTo: 5 }, 'streams "ord*"'],
      ['all streams', { all: true }, { after: 3, trimmedTo: 5 }, 'all streams'],
    ])('are a gap in the subscription to %s, and the first kept event comes next', async (_what, target, gap, name) => {
      const { store, clock, logger, measured } = await openForgetful(createEngine());
      await store.append('noise', numbered(0, 0));
      await store.append('orders', numbered(1, 4));
      const gaps: SubscriptionGap[] = [];
      const subscription = store.subscribe(target, START, { batchSize: 1, onGap: (told) => void gaps.push(told) });
      const iterator = subscription[Symbol.asyncIterator]();
      const next = async (): Promise<unknown> => ((await iterator.next()).value as RecordedEvent).data;
      while ((await next()) !== 2);
      expect(subscription.gap).toBeUndefined();

      await expire(clock);
      await store.append('orders', numbered(5, 6));

      expect([await next(), await next()]).toEqual([5, 6]);
      expect(subscription.gap).toEqual(gap);
      expect(gaps).toEqual([gap]);
      expect(measured).toEqual([{ store: 'forgetful', subscription: 'subscription' }]);
      expect(logger.warnings).toHaveLength(1);
      expect(logger.warnings[0]).toContain('forgetful');
      expect(logger.warnings[0]).toContain(name);
    });

    it.each<[string, SubscriptionTarget, SubscriptionStart]>([
      ['a stream from START', 'orders', START],
      ['a stream from position 0', 'orders', 0],
      ['a stream from END', 'orders', END],
      ['all from START', { all: true }, START],
      ['all from END', { all: true }, END],
      ['streams from START', { streams: 'ord*' }, START],
    ])('are no gap in a subscription to %s that was made afterwards', async (_what, target, from) => {
      const { store, clock, logger, measured } = await openForgetful(createEngine());
      await store.append('orders', numbered(1, 4));
      await expire(clock);

      const subscription = store.subscribe(target, from);
      const reader = collect(subscription);
      await store.append('orders', numbered(5, 6));
      await reader.reached(2);

      expect(dataOf(reader.items)).toEqual([5, 6]);
      expect(subscription.gap).toBeUndefined();
      expect([measured, logger.warnings]).toEqual([[], []]);
    });

    it('are a gap in a subscription from a position among them', async () => {
      const { store, clock } = await openForgetful(createEngine());
      await store.append('orders', numbered(1, 4));
      await expire(clock);
      await store.append('orders', numbered(5, 6));

      const subscription = store.subscribe('orders', 2);
      const reader = collect(subscription);
      await reader.reached(2);

      expect(dataOf(reader.items)).toEqual([5, 6]);
      expect(subscription.gap).toEqual({ after: 2, trimmedTo: 4 });
    });

    it('are one gap, also when nothing is kept and the subscription looks again and again', async () => {
      const engine = hintingEngine(createEngine());
      const { store, clock, logger, measured } = await openForgetful(engine);
      await store.append('orders', numbered(1, 4));
      const gaps: SubscriptionGap[] = [];
      const subscription = store.subscribe('orders', 2, { onGap: (gap) => void gaps.push(gap) });
      await expire(clock);

      const reader = collect(subscription);
      await subscription.caughtUp();
      for (let hint = 0; hint < 3; hint++) {
        engine.hint('orders');
        for (let turn = 0; turn < 20; turn++) await settled();
      }
      await store.append('orders', numbered(5, 5));
      await reader.reached(1);

      expect(gaps).toEqual([{ after: 2, trimmedTo: 4 }]);
      expect([measured.length, logger.warnings.length]).toEqual([1, 1]);
      expect(dataOf(reader.items)).toEqual([5]);
    });

    it('leave no lag behind when the subscription has gone past them', async () => {
      const { store, clock } = await openForgetful(createEngine());
      await store.append('orders', numbered(1, 4));
      const subscription = store.subscribe({ all: true }, 2);
      await expire(clock);

      collect(subscription);
      await subscription.caughtUp();

      expect(await subscription.lag()).toBe(0);
      expect(subscription.position).toBe(4);
    });

    it('are no gap when the subscription had read them', async () => {
      const { store, clock, logger } = await openForgetful(createEngine());
      const subscription = store.subscribe('orders');
      const reader = collect(subscription);
      await store.append('orders', numbered(1, 4));
      await reader.reached(4);
      await subscription.caughtUp();

      await expire(clock);
      await store.append('orders', numbered(5, 5));
      await reader.reached(5);

      expect(dataOf(reader.items)).toEqual([1, 2, 3, 4, 5]);
      expect([subscription.gap, logger.warnings]).toEqual([undefined, []]);
    });
  });

  it('what was read into the batch of a slow reader still reaches it', async () => {
    const { store, clock } = await openForgetful(createEngine());
    await store.append('orders', numbered(1, 4));
    const subscription = store.subscribe('orders', START, { batchSize: 2 });
    const iterator = subscription[Symbol.asyncIterator]();
    await iterator.next();
    await clock.advance(61_000);
    await store.append('orders', numbered(5, 5));

    const next = [await iterator.next(), await iterator.next()].map(({ value }) => (value as RecordedEvent).data);

    expect(next).toEqual([2, 5]);
    expect(subscription.gap).toEqual({ after: 2, trimmedTo: 4 });
  });

  it('each gap is told, and the subscription keeps the latest', async () => {
    const { store, clock } = await openForgetful(createEngine());
    const gaps: SubscriptionGap[] = [];
    const subscription = store.subscribe('orders', START, { batchSize: 1, onGap: (gap) => void gaps.push(gap) });
    const iterator = subscription[Symbol.asyncIterator]();
    const seen: unknown[] = [];
    await store.append('orders', numbered(1, 2));
    for (let round = 1; round <= 3; round++) {
      seen.push(((await iterator.next()).value as RecordedEvent).data);
      await clock.advance(61_000);
      await store.append('orders', numbered(2 * round + 1, 2 * round + 2));
    }
    await iterator.next();

    expect(seen).toEqual([1, 3, 5]);
    expect(gaps).toEqual([
      { after: 1, trimmedTo: 2 },
      { after: 3, trimmedTo: 4 },
      { after: 5, trimmedTo: 6 },
    ]);
    expect(subscription.gap).toEqual({ after: 5, trimmedTo: 6 });
  });

  it('every event is either handed out or lies in a gap, whatever the pauses are', async () => {
    for (let seed = 1; seed <= scaled(10); seed++) {
      const random = new Random(seed);
      const { store, clock } = await openForgetful(createEngine());
      const subscribers = ['orders', { all: true } as const].map((target) => {
        const gaps: SubscriptionGap[] = [];
        const subscription = store.subscribe(target, START, {
          batchSize: 1 + random.below(4),
          onGap: (gap) => void gaps.push(gap),
        });
        const reader = collect(subscription, async () => {
          for (let turn = random.below(8); turn > 0; turn--) await settled();
        });
        return { target, gaps, reader, subscription };
      });
      for (let step = 0; step < 30; step++) {
        await store.append(random.pick(['orders', 'others']), numbered(1, 1 + random.below(3)));
        if (random.below(2)) await microtasks(random.below(8));
        if (random.below(3) === 0) await clock.advance(random.below(40_000));
      }
      await Promise.all(subscribers.map(({ subscription }) => subscription.caughtUp()));

      for (const { target, gaps, reader, subscription } of subscribers) {
        const place = target === 'orders' ? 'position' : 'globalPosition';
        const got = reader.items.map((event) => event[place]);
        const lost = gaps.flatMap(({ after, trimmedTo }) => range(after + 1, trimmedTo));
        const all = [...got, ...lost].sort((a, b) => a - b);
        expect({ seed, target, all }).toEqual({ seed, target, all: range(1, subscription.position) });
        expect(got).toEqual([...got].sort((a, b) => a - b));
      }
      await closeAll(subscribers.map(({ subscription }) => subscription));
    }
  });
});

it('a subscription goes on when the metrics collector fails on its gap', async () => {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const fail = (): never => {
    throw new Error('not my day');
  };
  const store = await openTestStore({
    retentionDuration: '1m',
    snapshotInterval: 0,
    clock,
    logger,
    metricsCollector: { onSubscriptionGap: fail },
  });
  await store.append('orders', numbered(1, 4));
  const subscription = store.subscribe('orders', 2);
  await clock.advance(61_000);
  await store.append('orders', numbered(5, 5));

  const reader = collect(subscription);
  await reader.reached(1);

  expect(dataOf(reader.items)).toEqual([5]);
  expect(logger.errors).toHaveLength(1);
});

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}

async function closeAll(subscriptions: readonly Subscription[]): Promise<void> {
  await Promise.all(subscriptions.map((subscription) => subscription.close()));
}
