import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  type RecordedEvent,
  START,
  StorageCorruptedError,
  type Subscription,
  type SubscriptionStart,
} from 'nestjs-stream-store';
import { firstValueFrom, map, take, toArray } from 'rxjs';
import { aroundEngine, ENGINES } from '../support/engines/around-engine.js';
import { collect, until } from '../support/waiting/collect.js';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

afterEach(settled);

describe.each(ENGINES)('a subscription as an Observable, on %s', (_kind, createEngine) => {
  it('emits history and then live events, in order', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 5));

    const collected = firstValueFrom(
      store
        .subscribe('orders', START, { batchSize: 2 })
        .asObservable()
        .pipe(
          take(8),
          map(({ data }) => data),
          toArray(),
        ),
    );
    await store.append('orders', numbered(6, 9));

    expect(await collected).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await settled();
    expect((await store.stats()).subscriptionsActive).toBe(0);
  });

  it('reads nothing before somebody subscribes to it', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 5));

    const subscription = store.subscribe('orders');
    subscription.asObservable();
    await settled();
    await settled();

    expect(subscription.position).toBe(0);
    expect((await store.stats()).eventsRead).toBe(0);
  });

  it('closes the subscription when it is unsubscribed', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 5));
    const subscription = store.subscribe('orders');
    const seen: unknown[] = [];
    const complete = jest.fn();
    const subscribed = subscription.asObservable().subscribe({ next: ({ data }) => void seen.push(data), complete });
    await until(() => seen.length === 5, 'the fifth event');

    subscribed.unsubscribe();
    await store.append('orders', numbered(6, 7));
    await settled();

    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(complete).not.toHaveBeenCalled();
    expect(subscription.state).toBe('stopped');
    expect((await store.stats()).subscriptionsActive).toBe(0);
  });

  it('completes when the subscription is closed', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));
    const subscription = store.subscribe('orders');
    const collected = firstValueFrom(subscription.asObservable().pipe(toArray()));
    await subscription.caughtUp();

    await subscription.close();

    expect(dataOf(await collected)).toEqual([1, 2, 3]);
  });

  it('completes when its signal aborts', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));
    const controller = new AbortController();
    const subscription = store.subscribe('orders', START, { signal: controller.signal });
    const collected = firstValueFrom(subscription.asObservable().pipe(toArray()));
    await subscription.caughtUp();

    controller.abort();

    expect(dataOf(await collected)).toEqual([1, 2, 3]);
  });

  it('completes when the store closes', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));
    const subscription = store.subscribe('orders');
    const collected = firstValueFrom(subscription.asObservable().pipe(toArray()));
    await subscription.caughtUp();

    await store.close();

    expect(dataOf(await collected)).toEqual([1, 2, 3]);
  });

  it('completes at once when the subscription is over already', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));
    const subscription = store.subscribe('orders');
    await subscription.close();

    expect(await firstValueFrom(subscription.asObservable().pipe(toArray()))).toEqual([]);
  });
});

it('an Observable whose observer closes the subscription emits nothing more', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 5));
  const subscription = store.subscribe('orders');
  const seen: unknown[] = [];

  await new Promise<void>((complete) => {
    subscription.asObservable().subscribe({
      next: ({ data }) => {
        if (seen.push(data) === 2) void subscription.close();
      },
      complete,
    });
  });

  expect(seen).toEqual([1, 2]);
});

it('an Observable whose observer aborts the subscription emits nothing more', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 5));
  const controller = new AbortController();
  const seen: unknown[] = [];

  await new Promise<void>((complete) => {
    store
      .subscribe('orders', START, { signal: controller.signal })
      .asObservable()
      .subscribe({
        next: ({ data }) => {
          if (seen.push(data) === 2) controller.abort();
        },
        complete,
      });
  });

  expect(seen).toEqual([1, 2]);
});

it('the position of a subscription is that of the last event its Observable emitted', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 5));
  const subscription = store.subscribe('orders');
  const positions: number[][] = [];

  await firstValueFrom(
    subscription.asObservable().pipe(
      map((event) => positions.push([event.position, subscription.position])),
      take(3),
      toArray(),
    ),
  );

  expect(positions).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  // Who goes on from there misses nothing.
  const rest = store.subscribe('orders', subscription.position).asObservable();
  expect(dataOf(await firstValueFrom(rest.pipe(take(2), toArray())))).toEqual([4, 5]);
});

it.each(ENGINES)(
  'observers may append, subscribe and close while they are told of an event, on %s',
  async (_kind, create) => {
    const store = await openTestStore({ engine: create() });
    const seen: number[][] = [];
    const observe = (from: SubscriptionStart, see?: (position: number) => void): void => {
      const positions: number[] = [];
      seen.push(positions);
      store
        .subscribe('orders', from)
        .asObservable()
        .subscribe(({ position }) => {
          positions.push(position);
          see?.(position);
        });
    };
    const closedAtThree = store.subscribe('orders');
    observe(START);
    observe(START, (position) => {
      if (position < 12) void store.append('orders', numbered(position + 1, position + 1));
      if (position === 3) void closedAtThree.close();
      if (position === 5) observe(START);
      if (position === 6) observe(5);
    });
    observe(START);
    closedAtThree.asObservable().subscribe();

    await store.append('orders', numbered(1, 1));
    await until(() => seen.length === 5 && seen.every((positions) => positions.includes(12)), 'the twelfth event');
    await settled();

    const all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    expect(seen).toEqual([all, all, all, all, all.slice(5)]);
    expect(closedAtThree.position).toBeLessThanOrEqual(3);
  },
);

describe.each(ENGINES)(
  'several readers of one subscription on %s, one of them an Observable',
  (_kind, createEngine) => {
    it.each<[string, (subscription: Subscription, see: (event: RecordedEvent) => void) => void]>([
      ['two observers', (subscription, see) => void subscription.asObservable().subscribe(see)],
      ['an iterator before', (subscription, see) => void collect(subscription, see)],
      ['batches before', (subscription, see) => void collect(subscription.batches(), (batch) => batch.forEach(see))],
    ])('share its events: %s', async (_what, readAlso) => {
      const store = await openTestStore({ engine: createEngine() });
      await store.append('orders', numbered(1, 5));
      const subscription = store.subscribe('orders', START, { batchSize: 2 });
      const seen: unknown[] = [];
      const see = ({ data }: RecordedEvent): void => void seen.push(data);

      readAlso(subscription, see);
      subscription.asObservable().subscribe(see);
      for (let index = 6; index <= 12; index++) {
        await store.append('orders', numbered(index, index));
        if (index % 2) await settled();
      }
      await until(() => seen.length >= 12, 'the twelfth event');
      await settled().then(settled);

      expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    });
  },
);

it('an Observable passes on what damage the engine has met', async () => {
  const failure = new StorageCorruptedError('disk', 'it is on fire');
  let isBroken = false;
  const engine = aroundEngine((verb, ask) => {
    if (isBroken && verb === 'readStream') throw failure;
    return ask();
  });
  const store = await openTestStore({ engine });
  const subscription = store.subscribe('orders');
  const seen: RecordedEvent[] = [];
  const ended = new Promise<void>((complete, error) => {
    subscription.asObservable().subscribe({ next: (event) => void seen.push(event), complete, error });
  });
  await store.append('orders', numbered(1, 2));
  await until(() => seen.length === 2, 'the second event');

  isBroken = true;
  await store.append('orders', numbered(3, 3));

  expect(await rejectionOf(ended)).toBe(failure);
  expect(subscription.state).toBe('stopped');
  isBroken = false;
});
