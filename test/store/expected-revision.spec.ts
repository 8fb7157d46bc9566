import { describe, expect, it } from '@jest/globals';
import {
  ANY,
  createEvent,
  type EventStore,
  type ExpectedRevision,
  NO_STREAM,
  STREAM_EXISTS,
  WrongExpectedRevisionError,
} from 'nestjs-stream-store';
import { eventCount, numbered } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

async function storeWithStreamAt(revision: number): Promise<EventStore> {
  const store = await openTestStore();
  await store.append('orders', numbered(1, revision));
  return store;
}

describe('expectedRevision', () => {
  it.each<[ExpectedRevision, number]>([
    [ANY, 0],
    [ANY, 3],
    [NO_STREAM, 0],
    [0, 0],
    [STREAM_EXISTS, 1],
    [STREAM_EXISTS, 3],
    [3, 3],
  ])('lets an append that expects %j through when the stream is at revision %i', async (expectedRevision, actual) => {
    const store = await storeWithStreamAt(actual);

    const { revision } = await store.append('orders', { type: 'next' }, { expectedRevision });

    expect(revision).toBe(actual + 1);
  });

  it.each<[ExpectedRevision, number]>([
    [NO_STREAM, 1],
    [NO_STREAM, 3],
    [0, 3],
    [STREAM_EXISTS, 0],
    [2, 3],
    [4, 3],
    [1, 0],
    [Number.MAX_SAFE_INTEGER, 3],
  ])('refuses an append that expects %j when the stream is at revision %i', async (expectedRevision, actual) => {
    const store = await storeWithStreamAt(actual);

    const append = store.append('orders', { type: 'next' }, { expectedRevision });

    await expect(append).rejects.toBeInstanceOf(WrongExpectedRevisionError);
    await expect(append).rejects.toMatchObject({
      code: 'WRONG_EXPECTED_REVISION',
      streamId: 'orders',
      expected: expectedRevision,
      actual,
    });
    expect(await eventCount(store)).toBe(actual);
  });

  it('has one winner among appends that expect the same revision', async () => {
    const store = await storeWithStreamAt(5);

    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, data) => store.append('orders', { type: 'next', data }, { expectedRevision: 5 })),
    );

    const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(lost).toHaveLength(19);
    for (const { reason } of lost) expect(reason).toMatchObject({ expected: 5, actual: 6 });
    expect(await eventCount(store)).toBe(6);
  });

  it('has one winner among appends that expect no stream', async () => {
    const store = await openTestStore();

    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => store.append('orders', { type: 'opened' }, { expectedRevision: NO_STREAM })),
    );

    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await eventCount(store)).toBe(1);
  });

  it('checks the revision for an empty batch too', async () => {
    const store = await storeWithStreamAt(2);

    await expect(store.append('orders', [], { expectedRevision: 1 })).rejects.toBeInstanceOf(
      WrongExpectedRevisionError,
    );

    expect(await store.append('orders', [], { expectedRevision: 2 })).toMatchObject({ revision: 2, count: 0 });
  });

  it('goes on from the old revision after retention removed every event', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1h' });
    await store.append('orders', numbered(1, 3));
    await clock.advance(7_200_000);

    const asNew = store.append('orders', { type: 'next' }, { expectedRevision: NO_STREAM });

    await expect(asNew).rejects.toMatchObject({ actual: 3 });
    expect(await store.append('orders', { type: 'next' }, { expectedRevision: STREAM_EXISTS })).toMatchObject({
      revision: 4,
    });
  });
});

describe('a retried append', () => {
  const batch = [createEvent('placed', 1), createEvent('paid', 2)];

  it.each<[ExpectedRevision]>([[0], [NO_STREAM]])(
    'after revision %j answers with the first result and stores nothing',
    async (expectedRevision) => {
      const store = await openTestStore();
      const first = await store.append('orders', batch, { expectedRevision });

      const second = await store.append('orders', batch, { expectedRevision });

      expect(second).toEqual(first);
      expect(await eventCount(store)).toBe(2);
      expect((await store.stats()).eventsAppended).toBe(2);
    },
  );

  it('may name revision 0 the first time and NO_STREAM the second', async () => {
    const store = await openTestStore();
    const first = await store.append('orders', batch, { expectedRevision: 0 });

    expect(await store.append('orders', batch, { expectedRevision: NO_STREAM })).toEqual(first);
  });

  it('answers with the first result also after later appends', async () => {
    const store = await storeWithStreamAt(3);
    const first = await store.append('orders', batch, { expectedRevision: 3 });
    await store.append('customers', numbered(1, 5));
    await store.append('orders', numbered(1, 5));

    const second = await store.append('orders', batch, { expectedRevision: 3 });

    expect(second).toEqual(first);
    expect(second).toMatchObject({ firstPosition: 4, revision: 5 });
    expect(await eventCount(store)).toBe(15);
  });

  it('is answered by the store that is full, as it stores nothing', async () => {
    const store = await openTestStore({ maxEventsPerStream: 2, maxStreams: 1 });
    const first = await store.append('orders', batch, { expectedRevision: NO_STREAM });

    expect(await store.append('orders', batch, { expectedRevision: NO_STREAM })).toEqual(first);
  });

  it('stores once when both calls run at the same time', async () => {
    const store = await openTestStore();

    const [one, other] = await Promise.all([
      store.append('orders', batch, { expectedRevision: 0 }),
      store.append('orders', batch, { expectedRevision: 0 }),
    ]);

    expect(other).toEqual(one);
    expect(await eventCount(store)).toBe(2);
  });

  it('wakes no subscriber with an event it has seen', async () => {
    const store = await openTestStore();
    await store.append('orders', batch, { expectedRevision: 0 });
    await store.append('orders', batch, { expectedRevision: 0 });
    const subscription = store.subscribe('orders');
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { position } of subscription) seen.push(position);
    })();

    await subscription.caughtUp();
    await subscription.close();
    await reading;

    expect(seen).toEqual([1, 2]);
  });

  it.each([
    ['other ids', [createEvent('placed', 1), createEvent('paid', 2)]],
    ['the same ids in another order', [batch[1], batch[0]]],
    ['one event more', [...batch, createEvent('shipped')]],
    [
      'no ids',
      [
        { type: 'placed', data: 1 },
        { type: 'paid', data: 2 },
      ],
    ],
  ])('is a conflict when it comes with %s', async (_, other) => {
    const store = await openTestStore();
    await store.append('orders', batch, { expectedRevision: 0 });

    await expect(store.append('orders', other, { expectedRevision: 0 })).rejects.toMatchObject({
      expected: 0,
      actual: 2,
    });

    expect(await eventCount(store)).toBe(2);
  });

  it('is a conflict when it names another revision than the first time', async () => {
    const store = await storeWithStreamAt(3);
    await store.append('orders', batch, { expectedRevision: 3 });

    await expect(store.append('orders', batch, { expectedRevision: 2 })).rejects.toMatchObject({ actual: 5 });
  });

  it('is stored again without a revision, as it does not say where its events must lie', async () => {
    const store = await openTestStore();
    await store.append('orders', batch);

    await store.append('orders', batch, { expectedRevision: ANY });
    await store.append('orders', batch, { expectedRevision: STREAM_EXISTS });

    expect(await eventCount(store)).toBe(6);
  });

  it('is a retry in its own stream only', async () => {
    const store = await openTestStore();
    await store.append('orders', batch, { expectedRevision: 0 });

    const other = await store.append('orders-copy', batch, { expectedRevision: 0 });

    expect(other).toMatchObject({ streamId: 'orders-copy', globalPosition: 4 });
  });

  it('stores nothing after retention removed the events', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1h' });
    await store.append('orders', batch, { expectedRevision: 0 });
    await clock.advance(7_200_000);
    await store.sweep();

    const retry = store.append('orders', batch, { expectedRevision: 0 });

    await expect(retry).rejects.toMatchObject({ code: 'WRONG_EXPECTED_REVISION', expected: 0, actual: 2 });
    expect(await eventCount(store)).toBe(0);
  });

  it('is recognised by its ids alone when they are texts of any kind', async () => {
    const store = await openTestStore();
    const event = { type: 't', id: '订单-1 ' + '🚀'.repeat(200) };
    const first = await store.append('orders', event, { expectedRevision: 0 });

    expect(await store.append('orders', event, { expectedRevision: 0 })).toEqual(first);
  });
});
