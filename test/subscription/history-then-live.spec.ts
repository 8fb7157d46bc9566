import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  type EventStore,
  memoryEngine,
  type RecordedEvent,
  START,
  type Subscription,
  type SubscriptionStart,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { aroundEngine, ENGINES } from '../support/engines/around-engine.js';
import { collect, type Collected, microtasks, observe } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { Random } from '../support/worlds/random.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

// An unhandled rejection fails the test during which it is found.
afterEach(settled);

// Much is done here, and more with SCALE.
jest.setTimeout(scaledTimeLimit(60_000));

/** The two ways in which a subscription runs its loop. */
const WAYS: readonly (readonly [way: string, read: (subscription: Subscription) => Collected<RecordedEvent>])[] = [
  ['a reader that asks', (subscription) => collect(subscription)],
  ['an observer that is told', (subscription) => observe(subscription.asObservable())],
];

const ENGINES_AND_WAYS = ENGINES.flatMap(([kind, create]) =>
  WAYS.map(([way, read]) => [kind, way, create, read] as const),
);

describe.each(ENGINES_AND_WAYS)('history, then live events, on %s, for %s', (_kind, _way, createEngine, read) => {
  it('come once each, in the order of the log', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 5));

    const reader = read(store.subscribe('orders'));
    await reader.reached(5);
    await store.append('orders', numbered(6, 7));
    await store.append('orders', numbered(8, 8));
    await reader.reached(8);
    await store.close();
    await reader.ended;

    expect(dataOf(reader.items)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('have no seam, whichever microtask after subscribe an append falls into', async () => {
    const store = await openTestStore({ engine: createEngine() });
    for (let delay = 0; delay < 40; delay++) {
      const streamId = `order-${delay}`;
      await store.append(streamId, numbered(1, 3));

      const reader = read(store.subscribe({ stream: streamId }, START, { batchSize: 2 }));
      await microtasks(delay);
      const appended = [store.append(streamId, numbered(4, 5))];
      await microtasks(delay);
      appended.push(store.append(streamId, numbered(6, 6)));
      await Promise.all(appended);
      await reader.reached(6);
      await settled();

      expect([delay, ...dataOf(reader.items)]).toEqual([delay, 1, 2, 3, 4, 5, 6]);
    }
  });

  it('have no seam, whichever turn of the event loop after subscribe an append falls into', async () => {
    const store = await openTestStore({ engine: createEngine() });
    for (let delay = 0; delay < 16; delay++) {
      const streamId = `order-${delay}`;
      await store.append(streamId, numbered(1, 3));

      const reader = read(store.subscribe({ streams: streamId }, START, { batchSize: 2 }));
      for (let turn = 0; turn < delay; turn++) await settled();
      await store.append(streamId, numbered(4, 5));
      await reader.reached(5);
      await settled();

      expect([delay, ...dataOf(reader.items)]).toEqual([delay, 1, 2, 3, 4, 5]);
    }
  });
});

it.each(ENGINES)(
  'every reader gets a suffix of the log, whatever pauses readers and writers make, on %s',
  async (_kind, createEngine) => {
    for (let seed = 1; seed <= scaled(60); seed++) await compareWithLog(seed, createEngine());
  },
);

describe('an append in the middle of a read', () => {
  it.each([
    ['before', 'a stream', 'orders'],
    ['before', 'all streams', { all: true }],
    ['after', 'a stream', 'orders'],
    ['after', 'all streams', { all: true }],
  ] as const)('%s the engine answers a subscription to %s is neither lost nor doubled', async (when, _what, target) => {
    for (let disturbed = 1; disturbed <= 5; disturbed++) {
      let reads = 0;
      const append = (): void => void store.append('orders', numbered(4, 4));
      const engine = aroundEngine((verb, ask) => {
        const isDisturbed = (verb === 'readStream' || verb === 'readAll') && ++reads === disturbed;
        if (isDisturbed && when === 'before') append();
        const answer = ask();
        if (isDisturbed && when === 'after') append();
        return answer;
      });
      const store: EventStore = await openTestStore({ engine });
      await store.append('orders', numbered(1, 3));

      const reader = collect(store.subscribe(target as SubscriptionTarget, START, { batchSize: 1 }));
      await reader.reached(3);
      await settled();
      await store.append('orders', numbered(5, 5));
      await settled();
      await settled();

      expect(reads).toBeGreaterThanOrEqual(disturbed);
      expect([disturbed, ...dataOf(reader.items)]).toEqual([disturbed, ...dataOf(await store.readStream('orders'))]);
    }
  });
});

it('a wake-up that comes while the reader is busy is not missed', async () => {
  const store = await openTestStore();
  const subscription = store.subscribe('orders');
  let goOn = (): void => undefined;
  const reader = collect(subscription, () => new Promise<void>((resolve) => (goOn = resolve)));

  await store.append('orders', numbered(1, 1));
  await reader.reached(1);
  await store.append('orders', numbered(2, 2));
  goOn();
  await reader.reached(2);

  expect(dataOf(reader.items)).toEqual([1, 2]);
});

it('a batch of an append is read from its first event, although it came as one', async () => {
  const store = await openTestStore();
  const reader = collect(store.subscribe({ all: true }, START, { batchSize: 2 }).batches());

  await store.append('orders', numbered(1, 5));
  await reader.reached(3);

  expect(reader.items.map(dataOf)).toEqual([[1, 2], [3, 4], [5]]);
});

/** Lets writers and readers loose on a store, and compares what each reader got with the log. */
async function compareWithLog(seed: number, engine: ReturnType<typeof memoryEngine>): Promise<void> {
  const random = new Random(seed);
  const store = await openTestStore({ engine });
  const streams = ['order-1', 'order-2', 'user-1'];
  const pause = async (): Promise<void> => {
    if (random.below(4) === 0) await settled();
    else await microtasks(random.below(6));
  };
  const appendSome = async (): Promise<unknown> => {
    const type = random.pick(['placed', 'paid']);
    const batch = Array.from({ length: random.below(4) }, () => ({ type }));
    return store.append(random.pick(streams), batch);
  };
  for (let index = 0; index < random.below(6); index++) await appendSome();
  const { events: history } = await store.readAll({ limit: 0 });

  const subscribers = Array.from({ length: 4 }, () => {
    const { target, isWanted, isInLog } = random.pick(TARGETS);
    // From beyond the end is another matter: that log went back.
    const streamId = typeof target === 'string' ? target : 'stream' in target ? target.stream : undefined;
    const end = history.filter((event) => isInLog || event.streamId === streamId).length;
    const after = Math.min(random.below(4), end);
    const from: SubscriptionStart = random.pick([START, after]);
    const subscription = store.subscribe(target, from, { batchSize: 1 + random.below(4) });
    const reader = random.pick([
      () => collect(subscription),
      () => collect(subscription, pause),
      () => observe(subscription.asObservable()),
    ])();
    const place = (event: RecordedEvent): number => (isInLog ? event.globalPosition : event.position);
    const expected = async (): Promise<RecordedEvent[]> => {
      const { events } = await store.readAll({ limit: 0 });
      return events.filter((event) => isWanted(event) && place(event) > (from === START ? 0 : after));
    };
    return { target, from, reader, expected };
  });

  const appends: Promise<unknown>[] = [];
  for (let step = 0; step < 25; step++) {
    const appended = appendSome();
    appends.push(appended);
    if (random.below(3) === 0) await appended;
    else await pause();
  }
  await Promise.all(appends);

  for (const { target, from, reader, expected } of subscribers) {
    const due = await expected();
    await reader.reached(due.length);
    await settled();
    expect({ seed, target, from, got: reader.items.map((event) => event.globalPosition) }).toEqual({
      seed,
      target,
      from,
      got: due.map((event) => event.globalPosition),
    });
  }
}

const TARGETS: readonly {
  readonly target: SubscriptionTarget;
  readonly isInLog: boolean;
  readonly isWanted: (event: RecordedEvent) => boolean;
}[] = [
  { target: 'order-1', isInLog: false, isWanted: ({ streamId }) => streamId === 'order-1' },
  {
    target: { stream: 'user-1', types: ['paid'] },
    isInLog: false,
    isWanted: ({ streamId, type }) => streamId === 'user-1' && type === 'paid',
  },
  { target: { streams: 'order-*' }, isInLog: true, isWanted: ({ streamId }) => streamId.startsWith('order-') },
  {
    target: { streams: '*-1', types: ['pl*'] },
    isInLog: true,
    isWanted: ({ streamId, type }) => streamId.endsWith('-1') && type === 'placed',
  },
  { target: { all: true }, isInLog: true, isWanted: () => true },
];
