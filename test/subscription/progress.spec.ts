import { afterEach, describe, expect, it } from '@jest/globals';
import { END, START, type SubscriptionTarget } from 'nestjs-stream-store';
import { ENGINES } from '../support/engines/around-engine.js';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

afterEach(settled);

describe.each(ENGINES)('the progress of a subscription on %s', (_kind, createEngine) => {
  it('is a position that rises with each event handed out, and a lag that falls', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));
    const subscription = store.subscribe('orders');
    const progress = [[subscription.position, await subscription.lag()]];

    for await (const event of subscription) {
      progress.push([subscription.position, await subscription.lag()]);
      if (event.position === 3) break;
    }

    expect(progress).toEqual([
      [0, 3],
      [1, 2],
      [2, 1],
      [3, 0],
    ]);
  });

  it('counts in global positions when the target is not one stream', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('noise', numbered(1, 10));
    await store.append('orders', numbered(11, 12));

    const subscription = store.subscribe({ streams: 'order*' });
    const positions: number[] = [];
    for await (const event of subscription) {
      positions.push(subscription.position);
      if (event.position === 2) break;
    }

    expect(positions).toEqual([11, 12]);
  });

  it('passes over events that are not for it', async () => {
    const store = await openTestStore({ engine: createEngine() });
    const subscription = store.subscribe({ all: true, types: ['wanted'] });
    const reader = collect(subscription);

    await store.append('orders', numbered(1, 7));
    await subscription.caughtUp();

    expect(reader.items).toEqual([]);
    expect(subscription.position).toBe(7);
    expect(await subscription.lag()).toBe(0);
  });

  it('of one batch is the position of its last event', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 2));

    const subscription = store.subscribe('orders', START, { batchSize: 2 });
    const { value } = (await subscription.batches().next()) as IteratorYieldResult<readonly unknown[]>;

    expect(value).toHaveLength(2);
    expect(subscription.position).toBe(2);
  });

  it.each<[string, SubscriptionTarget]>([
    ['a stream', 'orders'],
    ['all streams', { all: true }],
  ])('has no lag at the END of %s, before anything was read', async (_what, target) => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 5));

    const subscription = store.subscribe(target, END);

    expect(await subscription.lag()).toBe(0);
    expect(subscription.position).toBe(5);
  });

  it('has a lag of what was appended since, when nobody reads', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 5));
    const subscription = store.subscribe('orders', 2);

    await store.append('orders', numbered(6, 9));

    expect(await subscription.lag()).toBe(7);
    expect(subscription.position).toBe(2);
  });

  it('is catching up until everything was read, then live, and stopped in the end', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 6));
    const subscription = store.subscribe('orders', START, { batchSize: 2 });
    const states: string[] = [subscription.state];
    const reader = collect(subscription, () => void states.push(subscription.state));

    await subscription.caughtUp();
    states.push(subscription.state);
    await subscription.close();
    states.push(subscription.state);
    await reader.ended;

    expect(states).toEqual(['catching-up', ...Array<string>(6).fill('catching-up'), 'live', 'stopped']);
  });

  it('is catching up again when more was appended than one read can take', async () => {
    const store = await openTestStore({ engine: createEngine() });
    const states: string[] = [];
    const subscription = store.subscribe('orders', START, { batchSize: 2 });
    const reader = collect(subscription, () => void states.push(subscription.state));
    await subscription.caughtUp();

    await store.append('orders', numbered(1, 5));
    await reader.reached(5);
    await subscription.caughtUp();

    expect(states.slice(0, 4)).toEqual(Array<string>(4).fill('catching-up'));
    expect(subscription.state).toBe('live');
  });

  it('is live on an empty store as soon as somebody reads', async () => {
    const store = await openTestStore({ engine: createEngine() });
    const subscription = store.subscribe('orders');
    expect(subscription.state).toBe('catching-up');

    collect(subscription);
    await subscription.caughtUp();

    expect(subscription.state).toBe('live');
  });

  it('caughtUp resolves once all that was appended before the call was handed out', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 20));
    const subscription = store.subscribe({ all: true }, START, { batchSize: 3 });
    const reader = collect(subscription, settled);

    await subscription.caughtUp();
    expect(reader.items).toHaveLength(20);
    await store.append('orders', numbered(21, 40));
    await subscription.caughtUp();

    expect(reader.items).toHaveLength(40);
  });

  it('caughtUp waits for what lies between the log and a slow reader', async () => {
    const store = await openTestStore({ engine: createEngine() });
    const subscription = store.subscribe('orders');
    let goOn = (): void => undefined;
    const reader = collect(subscription, () => new Promise<void>((resolve) => (goOn = resolve)));
    await subscription.caughtUp();
    await store.append('orders', numbered(1, 3));
    await reader.reached(1);

    // The reader has one of three events; the others were read, but not handed out.
    let handedOut: number | undefined;
    const caughtUp = subscription.caughtUp().then(() => (handedOut = reader.items.length));
    await settled();
    expect(handedOut).toBeUndefined();
    goOn();
    await reader.reached(2);
    goOn();
    await reader.reached(3);
    goOn();
    await caughtUp;

    expect(handedOut).toBe(3);
  });

  it('caughtUp may be asked by several, and before anybody reads', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));
    const subscription = store.subscribe('orders');
    const waiting = [subscription.caughtUp(), subscription.caughtUp()];

    const reader = collect(subscription);
    await Promise.all(waiting);

    expect(dataOf(reader.items)).toEqual([1, 2, 3]);
  });
});

it('caughtUp does not wait for what is appended after the call', async () => {
  const store = await openTestStore({ engine: lateEngine() });
  await store.append('orders', numbered(1, 3));
  const subscription = store.subscribe('orders');
  const reader = collect(subscription);
  let isCaughtUp = false;
  const caughtUp = subscription.caughtUp().then(() => (isCaughtUp = true));

  // A writer that makes no pause, as there always is one in a busy application.
  for (let index = 4; !isCaughtUp && index < 500; index++) await store.append('orders', numbered(index, index));
  const { eventsAppended } = await store.stats();
  await caughtUp;

  expect(reader.items.length).toBeGreaterThanOrEqual(3);
  expect(eventsAppended).toBeLessThan(499);
});

describe('a subscription that is over', () => {
  it('has no more to catch up with: caughtUp rejects, before and after', async () => {
    const store = await openTestStore();
    const subscription = store.subscribe('orders');
    const before = rejectionOf(subscription.caughtUp());
    await subscription.close();

    expect(await before).toMatchObject({ code: 'SUBSCRIPTION_ENDED' });
    expect(await rejectionOf(subscription.caughtUp())).toMatchObject({ code: 'SUBSCRIPTION_ENDED' });
  });

  it('by its signal tells the reason to who waits in caughtUp', async () => {
    const store = await openTestStore();
    const controller = new AbortController();
    const subscription = store.subscribe('orders', START, { signal: controller.signal });
    const waiting = rejectionOf(subscription.caughtUp());
    const reason = new Error('enough');
    controller.abort(reason);

    expect(await waiting).toMatchObject({ code: 'SUBSCRIPTION_ENDED', cause: reason });
  });

  it('with its store tells so to who waits in caughtUp', async () => {
    const store = await openTestStore();
    const subscription = store.subscribe('orders');
    const waiting = rejectionOf(subscription.caughtUp());
    await store.close();

    expect(await waiting).toMatchObject({ code: 'STORE_CLOSED' });
    expect(await rejectionOf(subscription.caughtUp())).toMatchObject({ code: 'STORE_CLOSED' });
    expect(await rejectionOf(subscription.lag())).toMatchObject({ code: 'STORE_CLOSED' });
  });

  it('keeps its position, and its lag goes on growing', async () => {
    const store = await openTestStore();
    await store.append('orders', numbered(1, 4));
    const subscription = store.subscribe('orders');
    for await (const { position } of subscription) if (position === 3) break;

    await store.append('orders', numbered(5, 6));

    expect(subscription.state).toBe('stopped');
    expect(subscription.position).toBe(3);
    expect(await subscription.lag()).toBe(3);
  });
});

it('what subscriptions hand out counts as read', async () => {
  const store = await openTestStore();
  await store.append('orders', numbered(1, 4));
  const [one, two] = [store.subscribe('orders'), store.subscribe({ all: true })];
  const readers = [collect(one), collect(two)];
  await Promise.all([one.caughtUp(), two.caughtUp()]);

  expect(readers.map(({ items }) => items.length)).toEqual([4, 4]);
  expect(await store.stats()).toMatchObject({ eventsRead: 8, subscriptionsActive: 2 });
});
