import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Cursor,
  END,
  type EventStore,
  memoryEngine,
  type RecordedEvent,
  START,
  type SubscribeOptions,
  type Subscription,
  type SubscriptionFork,
  type SubscriptionStart,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { collect, type Collected, observe } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingLogger } from '../support/recorders.js';
import { SharedMemory } from '../support/engines/shared-memory-engine.js';

afterEach(settled);

interface Setup {
  readonly memory: SharedMemory;
  readonly store: EventStore;
  readonly clock: ManualClock;
  readonly logger: RecordingLogger;
  readonly measured: { store: string; subscription: string }[];
}

/** A store on a log that lies outside the process. */
async function openShared(): Promise<Setup> {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const measured: Setup['measured'] = [];
  const memory = new SharedMemory(clock);
  const metricsCollector = { onLogFork: (fork: Setup['measured'][number]) => void measured.push(fork) };
  const store = await openTestStore({ name: 'shared', engine: memory.engine(), clock, logger, metricsCollector });
  return { memory, store, clock, logger, measured };
}

const named = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ type: 't', data: `${prefix}${index + 1}` }));

const textsOf = (events: readonly { data: string }[]): string[] => events.map(({ data }) => data);

const READERS: [string, (subscription: Subscription) => Collected<RecordedEvent>][] = [
  ['an async iterator', (subscription) => collect(subscription)],
  ['an Observable', (subscription) => observe(subscription.asObservable())],
];

const TARGETS: [string, SubscriptionTarget][] = [
  ['the whole log', { all: true }],
  ['one stream', 'orders'],
  ['a pattern', { streams: 'ord*' }],
  ['some types', { all: true, types: ['t'] }],
];

/** The log is put back to where it held ten of twenty events. */
async function goBack({ memory, store }: Setup, read: (store: EventStore) => Collected<RecordedEvent>) {
  await store.append('orders', named('old', 10));
  const copy = memory.backUp();
  const reader = read(store);
  await reader.reached(10);
  for (const event of named('lost', 10)) await store.append('orders', event);
  await reader.reached(20);
  await memory.putBack(copy);
  return reader;
}

describe.each(READERS)('a log that went back under %s', (_how, read) => {
  describe.each(TARGETS)('of %s', (_what, target) => {
    it.each([1, 10, 15])('hides none of %d new events', async (count) => {
      const setup = await openShared();
      const reader = await goBack(setup, (store) => read(store.subscribe(target)));

      await setup.store.append('orders', named('new', count));
      await reader.reached(20 + count);

      expect(dataOf(reader.items).slice(-count)).toEqual(textsOf(named('new', count)));
    });
  });

  it('is told before anything was appended', async () => {
    const setup = await openShared();
    const forks: SubscriptionFork[] = [];
    let subscription!: Subscription;
    const options: SubscribeOptions = { name: 'overview', onFork: (fork) => void forks.push(fork) };
    await goBack(setup, (store) => read((subscription = store.subscribe({ all: true }, START, options))));

    await setup.clock.advance(1_000);

    expect(forks).toEqual([{ position: 20, head: 10, goesOnAfter: 10 }]);
    expect(subscription.fork).toEqual(forks[0]);
    expect(setup.measured).toEqual([{ store: 'shared', subscription: 'overview' }]);
    expect(setup.logger.errors).toHaveLength(1);
    expect(setup.logger.errors[0]).toMatch(/all streams.*position 20.*ends at 10.*goes on after position 10/);
    expect([subscription.position, await subscription.lag(), subscription.state]).toEqual([10, 0, 'live']);
  });
});

describe('a log that went back', () => {
  it('is found out by the event at the place, when the log has grown past it', async () => {
    const setup = await openShared();
    const reader = await goBack(setup, (store) => collect(store.subscribe({ all: true })));
    // Not seen while the log was shorter.
    await setup.store.append('orders', named('new', 15));
    await reader.reached(35);

    expect(setup.logger.errors[0]).toMatch(/has another event there/);
    expect(dataOf(reader.items).slice(20)).toEqual(textsOf(named('new', 15)));
  });

  it('gives live readers all that is new, and nothing from before they came', async () => {
    const setup = await openShared();
    await setup.store.append('orders', named('old', 10));
    const copy = setup.memory.backUp();
    const reader = collect(setup.store.subscribe({ all: true }, END));
    await settled();
    await setup.store.append('orders', named('lost', 5));
    await reader.reached(5);
    await setup.memory.putBack(copy);
    await setup.store.append('orders', named('new', 8));
    await reader.reached(13);

    expect(dataOf(reader.items).slice(5)).toEqual(textsOf(named('new', 8)));
  });

  it('is compared with the place, not only with what was handed out', async () => {
    const setup = await openShared();
    await setup.store.append('orders', named('old', 3));
    const copy = setup.memory.backUp();
    const reader = collect(setup.store.subscribe({ all: true, types: ['u'] }));
    await setup.store.append('orders', named('lost', 7));
    await setup.clock.advance(1_000);
    await setup.memory.putBack(copy);
    await setup.store.append('orders', [{ type: 'u', data: 'new' }, ...named('new', 10)]);
    await reader.reached(1);

    expect(dataOf(reader.items)).toEqual(['new']);
  });

  it('leads back over few more events than were lost, from far behind', async () => {
    const setup = await openShared();
    await setup.store.append('orders', numbered(1, 5_000));
    const copy = setup.memory.backUp();
    const subscription = setup.store.subscribe({ all: true });
    const reader = collect(subscription);
    await setup.store.append('orders', named('lost', 1_000));
    await reader.reached(6_000);
    await setup.memory.putBack(copy);
    await setup.clock.advance(1_000);
    await settled();

    const { goesOnAfter } = subscription.fork!;
    expect(goesOnAfter).toBeLessThanOrEqual(5_000);
    expect(goesOnAfter).toBeGreaterThan(3_500);
    await reader.reached(11_000 - goesOnAfter);
  });

  it('may have lost everything', async () => {
    const setup = await openShared();
    const copy = setup.memory.backUp();
    const reader = collect(setup.store.subscribe({ all: true }));
    await setup.store.append('orders', named('lost', 3));
    await reader.reached(3);
    await setup.memory.putBack(copy);
    await setup.store.append('orders', named('new', 5));
    await reader.reached(8);

    expect(dataOf(reader.items).slice(3)).toEqual(textsOf(named('new', 5)));
  });

  it('shows in the lag, before it was found out', async () => {
    const setup = await openShared();
    const subscription = setup.store.subscribe({ all: true });
    await goBack(setup, () => collect(subscription));

    expect(await subscription.lag()).toBeGreaterThan(0);
    await settled();
    expect(subscription.fork).toBeDefined();
  });

  it('keeps nobody waiting who waits to have caught up', async () => {
    const setup = await openShared();
    const subscription = setup.store.subscribe({ all: true });
    const reader = await goBack(setup, () => collect(subscription));
    await setup.store.append('orders', named('new', 3));

    await subscription.caughtUp();

    expect(dataOf(reader.items).slice(-3)).toEqual(textsOf(named('new', 3)));
  });

  it('may go back again and again', async () => {
    const setup = await openShared();
    const reader = collect(setup.store.subscribe({ all: true }));
    await setup.store.append('orders', named('old', 2));
    await reader.reached(2);
    const copy = setup.memory.backUp();
    for (let round = 1; round <= 5; round++) {
      await setup.memory.putBack(copy);
      await setup.store.append('orders', named(`round ${round}, `, round));
      await reader.reached(2 + (round * (round + 1)) / 2);
    }

    const all = [1, 2, 3, 4, 5].flatMap((round) => textsOf(named(`round ${round}, `, round)));
    expect(dataOf(reader.items)).toEqual(['old1', 'old2', ...all]);
  });
});

describe('a place that was kept outside', () => {
  const openNew = async (events: readonly { type: string; data: string }[]): Promise<Setup> => {
    const clock = new ManualClock();
    const logger = new RecordingLogger();
    const store = await openTestStore({ engine: memoryEngine(), clock, logger });
    if (events.length > 0) await store.append('orders', events);
    return { store, clock, logger, memory: new SharedMemory(clock), measured: [] };
  };
  const read = async ({ store }: Setup, from: SubscriptionStart, target: SubscriptionTarget, count: number) => {
    const subscription = store.subscribe(target, from);
    const reader = collect(subscription);
    await reader.reached(count);
    return { items: dataOf(reader.items), fork: subscription.fork };
  };
  const placeAtTheEnd = async (setup: Setup, target: SubscriptionTarget) => {
    const subscription = setup.store.subscribe(target);
    const reader = collect(subscription);
    await reader.reached(5);
    return JSON.parse(JSON.stringify(subscription.place)) as SubscriptionStart;
  };

  it.each<[string, SubscriptionTarget]>([
    ['the log', { all: true }],
    ['a stream', 'orders'],
  ])('in %s is gone on from, when the event there is the same', async (_what, target) => {
    const setup = await openNew(named('old', 5));
    const place = await placeAtTheEnd(setup, target);
    await setup.store.append('orders', named('more', 2));

    expect(await read(setup, place, target, 2)).toEqual({ items: ['more1', 'more2'], fork: undefined });
  });

  it.each<[string, SubscriptionTarget, number]>([
    ['the log', { all: true }, 3],
    ['the log', { all: true }, 9],
    ['a stream', 'orders', 3],
    ['a stream', 'orders', 9],
  ])('in %s is not passed over in silence in another log of %3$d events', async (_what, target, count) => {
    const place = await placeAtTheEnd(await openNew(named('old', 5)), target);
    const setup = await openNew(named('new', count));

    const { items, fork } = await read(setup, place, target, count);

    expect(items).toEqual(textsOf(named('new', count)));
    expect(fork).toMatchObject({ position: 5, head: count, goesOnAfter: 0 });
    expect(setup.logger.errors).toHaveLength(1);
  });

  it.each([3, 9])(
    'in the text of a cursor is not passed over in silence in another log of %d events',
    async (count) => {
      const before = await openNew(named('old', 5));
      const text = String((await before.store.read('orders')).cursor);
      const setup = await openNew(named('new', count));

      const { items, fork } = await read(setup, Cursor.parse(text), 'orders', count);

      expect(items).toEqual(textsOf(named('new', count)));
      expect(fork).toMatchObject({ position: 5, head: count, goesOnAfter: 0 });
      expect(setup.logger.errors).toHaveLength(1);
    },
  );

  it('in the text of a cursor is gone on from, when the event there is the same', async () => {
    const setup = await openNew(named('old', 5));
    const text = String((await setup.store.read('orders')).cursor);
    await setup.store.append('orders', named('more', 2));

    expect(await read(setup, Cursor.parse(text), 'orders', 2)).toEqual({ items: ['more1', 'more2'], fork: undefined });
  });

  it('that is a mere number beyond the end is said, and hides nothing', async () => {
    const setup = await openNew(named('new', 3));

    const { items, fork } = await read(setup, 5, { all: true }, 3);

    expect(items).toEqual(['new1', 'new2', 'new3']);
    expect(fork).toEqual({ position: 5, head: 3, goesOnAfter: 0 });
  });

  it('that is a mere number within the log is taken at its word', async () => {
    const setup = await openNew(named('new', 3));

    expect(await read(setup, 1, { all: true }, 2)).toEqual({ items: ['new2', 'new3'], fork: undefined });
  });
});
