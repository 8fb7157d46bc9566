import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ANY, openEventStore, type RecordedEvent, StoreClosedError, SubscriptionEndedError } from 'nestjs-stream-store';
import { ManualClock, RecordedEvents } from 'nestjs-stream-store/testing';
import { createEventStore } from '../../lib/open-event-store.js';
import { internalsOf } from '../../lib/store/store-internals.js';
import { aroundEngine, ENGINES } from '../support/engines/around-engine.js';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

const ofType =
  (type: string) =>
  (event: RecordedEvent): boolean =>
    event.type === type;

describe.each(ENGINES)('recorded events, on %s,', (_kind, createEngine) => {
  it('are those that were appended since, in the order of the log', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await store.append('orders', numbered(1, 3));
    await using recorded = await RecordedEvents.of(store);

    await store.append('orders', numbered(4, 5));
    await store.append('others', numbered(6, 6));
    await store.append('orders', numbered(7, 7));

    expect(dataOf(await recorded.all())).toEqual([4, 5, 6, 7]);
    expect(dataOf(await recorded.of('orders'))).toEqual([4, 5, 7]);
    expect(dataOf(await recorded.of('unborn'))).toEqual([]);
  });

  it('are all there, however many were appended', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await using recorded = await RecordedEvents.of(store);

    await Promise.all([1, 2, 3, 4].map((n) => store.append(`orders-${n}`, numbered(1, 400))));

    expect(await recorded.types()).toHaveLength(1_600);
    expect(dataOf(await recorded.of('orders-3'))).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
  });

  it('can be forgotten', async () => {
    const store = await openTestStore({ engine: createEngine() });
    await using recorded = await RecordedEvents.of(store);
    await store.append('orders', { type: 'order.placed' });

    await recorded.clear();
    expect(await recorded.types()).toEqual([]);
    await store.append('orders', { type: 'order.paid' });

    expect(await recorded.types()).toEqual(['order.paid']);
    expect((await recorded.next()).type).toBe('order.paid');
  });
});

describe('recorded events', () => {
  it('are those of the store, with all they have', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);

    await store.append('orders', { type: 'order.placed', data: { total: 12 }, metadata: { by: 'Ada' } });

    expect(await recorded.all()).toEqual(await store.readStream('orders'));
  });

  it('do not include the own streams of the store', async () => {
    await using store = await openEventStore();
    await using recorded = await RecordedEvents.of(store);

    await internalsOf(store).appendInternally('$mine', { type: 'secret' });
    await store.append('orders', { type: 'order.placed' });

    expect(await recorded.types()).toEqual(['order.placed']);
  });

  it('stay when retention has removed them', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1h' });
    await using recorded = await RecordedEvents.of(store);
    await store.append('orders', { type: 'order.placed' });
    await recorded.all();

    await clock.advance(2 * 3_600_000);

    expect(await store.readStream('orders')).toEqual([]);
    expect(await recorded.types()).toEqual(['order.placed']);
  });

  it('are a list that can be changed without changing them', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);
    await store.append('orders', { type: 'order.placed' });

    (await recorded.all()).pop();

    expect(await recorded.types()).toEqual(['order.placed']);
  });

  it('begin with the call, also of a store that is not open yet', async () => {
    const store = createEventStore();
    const recording = RecordedEvents.of(store);
    const appending = store.append('orders', numbered(1, 2));
    await using recorded = await recording;
    await appending;

    expect(dataOf(await recorded.all())).toEqual([1, 2]);
    await store.close();
  });
});

it('recording has begun when it says so, also for what other processes append', async () => {
  const engine = aroundEngine((verb, ask) => (verb === 'readAll' ? settled().then(ask) : ask()));
  const store = await openTestStore({ engine });
  await store.append('orders', { type: 'order.placed' });
  await using recorded = await RecordedEvents.of(store);

  // What another process appends comes to the engine, and past this store.
  const event = { id: undefined, type: 'order.paid', data: '1', metadata: '', timestamp: undefined };
  await engine.append({ streamId: 'orders', events: [event], expectedRevision: ANY, recordedSince: -Infinity });

  expect(await recorded.types()).toEqual(['order.paid']);
});

describe('the next recorded event', () => {
  it('is waited for', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);

    const next = recorded.next();
    await settled();
    await store.append('orders', { type: 'order.placed' });

    expect((await next).type).toBe('order.placed');
  });

  it('may have come before', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);

    await store.append('orders', { type: 'order.placed' });
    await recorded.all();

    expect((await recorded.next()).type).toBe('order.placed');
  });

  it('is another one each time, in the order of the log', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);
    await store.append('orders', numbered(1, 3));

    const before = [await recorded.next(), await recorded.next()];
    const together = [recorded.next(), recorded.next()];
    await store.append('orders', numbered(4, 4));

    expect(dataOf([...before, ...(await Promise.all(together))])).toEqual([1, 2, 3, 4]);
  });

  it('is the first that fits; the others stay for those who ask for them', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);
    const paid = recorded.next(ofType('order.paid'));

    await store.append('orders', [{ type: 'order.placed' }, { type: 'order.paid' }, { type: 'order.paid' }]);

    expect((await paid).position).toBe(2);
    expect((await recorded.next(ofType('order.paid'))).position).toBe(3);
    expect((await recorded.next(ofType('order.placed'))).position).toBe(1);
  });

  it('goes to one of several who wait with the same condition', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);
    const isPaid = ofType('order.paid');
    const both = Promise.all([recorded.next(isPaid), recorded.next(isPaid)]);

    await store.append('orders', { type: 'order.paid' });
    await settled();
    await store.append('orders', { type: 'order.paid' });

    expect((await both).map(({ position }) => position)).toEqual([1, 2]);
  });

  it('that does not come in time is an error, which says what came instead', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);
    await store.append('orders', { type: 'order.placed' });
    await store.append('order-7', { type: 'order.paid' });

    const failure = (await rejectionOf(recorded.next(ofType('order.sent'), { timeoutMs: 20 }))) as Error;

    expect(failure.message).toContain('20 ms');
    expect(failure.message).toContain('2: order.placed (orders 1), order.paid (order-7 1)');
    expect((await recorded.next()).type).toBe('order.placed');
  });

  it('names the last ten when more came instead', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);
    await store.append('orders', numbered(1, 12));

    const failure = (await rejectionOf(recorded.next(ofType('order.sent'), { timeoutMs: 1 }))) as Error;

    expect(failure.message).toMatch(/12, the last of them: counted \(orders 3\), .*counted \(orders 12\)\.$/);
  });

  it('is not taken by a call that has given up', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);
    await rejectionOf(recorded.next(undefined, { timeoutMs: 1 }));

    await store.append('orders', { type: 'order.placed' });

    expect((await recorded.next()).type).toBe('order.placed');
  });

  it('fails with what the condition throws, and only for its caller', async () => {
    const store = await openTestStore();
    await using recorded = await RecordedEvents.of(store);
    const broken = recorded.next(() => {
      throw new Error('broken');
    });
    broken.catch(() => undefined);
    const sound = recorded.next();

    await store.append('orders', { type: 'order.placed' });

    expect((await sound).type).toBe('order.placed');
    expect(((await rejectionOf(broken)) as Error).message).toBe('broken');
  });

  it('never comes once the recording or the store was closed, and that is said at once', async () => {
    const store = await openTestStore();
    const one = await RecordedEvents.of(store);
    const other = await RecordedEvents.of(store);
    const waiting = [rejectionOf(one.next()), rejectionOf(other.next())];

    await one.close();
    await store.close();

    const [ended, closed] = await Promise.all(waiting);
    expect(ended).toBeInstanceOf(SubscriptionEndedError);
    expect(closed).toBeInstanceOf(StoreClosedError);
    expect(await rejectionOf(one.next())).toBeInstanceOf(SubscriptionEndedError);
    expect(await rejectionOf(other.next())).toBeInstanceOf(StoreClosedError);
  });

  describe('beside the fake timers of a test runner', () => {
    afterEach(() => void jest.useRealTimers());

    it('is still missed in time', async () => {
      const store = await openTestStore();
      await using recorded = await RecordedEvents.of(store);
      jest.useFakeTimers();

      expect(await rejectionOf(recorded.next(undefined, { timeoutMs: 1 }))).toBeInstanceOf(Error);
    });
  });
});

describe('a recording that was closed', () => {
  it('has what was appended before, and nothing after', async () => {
    const store = await openTestStore();
    const recorded = await RecordedEvents.of(store);
    await store.append('orders', { type: 'order.placed' });

    await recorded.close();
    await store.append('orders', { type: 'order.paid' });

    expect(await recorded.types()).toEqual(['order.placed']);
    expect((await recorded.next()).type).toBe('order.placed');
  });

  it('can be closed again, and lets its subscription go', async () => {
    const store = await openTestStore();
    const recorded = await RecordedEvents.of(store);

    await recorded.close();
    await recorded.close();

    expect((await store.stats()).subscriptionsActive).toBe(0);
  });

  it('after its store says that it may lack something', async () => {
    const store = await openTestStore();
    const recorded = await RecordedEvents.of(store);

    await store.close();

    expect(await rejectionOf(recorded.all())).toBeInstanceOf(StoreClosedError);
    await recorded.close();
    expect(await rejectionOf(recorded.all())).toBeInstanceOf(StoreClosedError);
  });
});
