import { describe, expect, it } from '@jest/globals';
import { createEvent, OperationAbortedError, ValidationError } from 'nestjs-stream-store';
import { dataOf, eventCount, numbered } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('append', () => {
  it('gives the first event of a stream position 1 and counts on without gaps', async () => {
    const store = await openTestStore();
    await store.append('orders', { type: 'a' });
    await store.append('orders', [{ type: 'b' }, { type: 'c' }]);

    const events = await store.readStream('orders');

    expect(events.map(({ type, position }) => [type, position])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
  });

  it('answers where the batch lies', async () => {
    const store = await openTestStore();
    await store.append('customers', numbered(1, 4));
    await store.append('orders', { type: 'placed' });

    const result = await store.append('orders', numbered(1, 3));

    expect(result).toEqual({ streamId: 'orders', revision: 4, firstPosition: 2, globalPosition: 8, count: 3 });
  });

  it('counts global positions over all streams, in the order of the appends', async () => {
    const store = await openTestStore();
    await store.append('a', numbered(1, 2));
    await store.append('b', numbered(3, 4));
    await store.append('a', numbered(5, 5));

    const { events } = await store.readAll();

    expect(dataOf(events)).toEqual([1, 2, 3, 4, 5]);
    expect(events.map((event) => event.globalPosition)).toEqual([1, 2, 3, 4, 5]);
  });

  it('gives appends that run at the same time positions of their own', async () => {
    const store = await openTestStore();

    const results = await Promise.all(Array.from({ length: 50 }, () => store.append('orders', numbered(1, 3))));

    const positions = results.map(({ firstPosition }) => firstPosition).sort((a, b) => a - b);
    expect(positions).toEqual(Array.from({ length: 50 }, (_, index) => 1 + 3 * index));
  });

  it('keeps nothing of a batch in which one event is not acceptable', async () => {
    const store = await openTestStore();
    const batch = [{ type: 'good' }, { type: 'good' }, { type: '' }];

    await expect(store.append('orders', batch)).rejects.toMatchObject({ field: 'events[2].type' });

    expect(await eventCount(store)).toBe(0);
    expect(await store.getStreams()).toEqual([]);
  });

  it('changes nothing for an empty batch and answers with the revision there is', async () => {
    const store = await openTestStore();
    await store.append('orders', numbered(1, 2));

    const result = await store.append('orders', []);

    expect(result).toEqual({ streamId: 'orders', revision: 2, firstPosition: 3, globalPosition: 2, count: 0 });
    expect(await eventCount(store)).toBe(2);
  });

  it('makes no stream for an empty batch', async () => {
    const store = await openTestStore();

    const result = await store.append('orders', []);

    expect(result).toMatchObject({ revision: 0, count: 0 });
    expect(await store.getStreams()).toEqual([]);
    await expect(store.getStreamInfo('orders')).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND' });
  });

  it('fills in an id, null data, empty metadata and the time of the append', async () => {
    const store = await openTestStore({ clock: new ManualClock('2024-05-06T07:08:09.010Z') });
    await store.append('orders', { type: 'placed' });

    const [event] = await store.readStream('orders');

    expect(event).toEqual({
      id: expect.stringMatching(UUID_V7),
      type: 'placed',
      data: null,
      metadata: {},
      timestamp: new Date('2024-05-06T07:08:09.010Z'),
      streamId: 'orders',
      position: 1,
      globalPosition: 1,
      recordedAt: new Date('2024-05-06T07:08:09.010Z'),
      schemaVersion: 1,
    });
  });

  it('keeps the id, time, data and metadata that it is given', async () => {
    const store = await openTestStore({ clock: new ManualClock('2024-05-06T00:00:00Z') });
    await store.append('orders', {
      type: 'placed',
      id: 'order-1-placed',
      timestamp: new Date('1999-12-31T23:59:59.999Z'),
      data: { total: 12.5, lines: [{ sku: 'ä-1' }] },
      metadata: { userId: 'u1', tags: ['x'] },
    });

    const [event] = await store.readStream('orders');

    expect(event).toMatchObject({
      id: 'order-1-placed',
      data: { total: 12.5, lines: [{ sku: 'ä-1' }] },
      metadata: { userId: 'u1', tags: ['x'] },
      timestamp: new Date('1999-12-31T23:59:59.999Z'),
      recordedAt: new Date('2024-05-06T00:00:00Z'),
      schemaVersion: 1,
    });
  });

  it.each([
    ['a Date', new Date('2024-01-01T00:00:00.500Z'), '2024-01-01T00:00:00.500Z'],
    ['milliseconds', 1_704_067_200_000, '2024-01-01T00:00:00.000Z'],
    ['zero', 0, '1970-01-01T00:00:00.000Z'],
    ['a time before 1970', -1, '1969-12-31T23:59:59.999Z'],
    ['ISO text', '2024-01-01T00:00:00Z', '2024-01-01T00:00:00.000Z'],
    ['ISO text with an offset', '2024-01-01T02:00:00.25+02:00', '2024-01-01T00:00:00.250Z'],
    ['an ISO date', '2024-01-01', '2024-01-01T00:00:00.000Z'],
    ['the last day of a leap February', '2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['a year of six digits', '+010000-01-01T00:00:00Z', '+010000-01-01T00:00:00.000Z'],
    ['the last day that a Date can hold', '+275760-09-13T00:00:00Z', '+275760-09-13T00:00:00.000Z'],
    ['the leap day of the year 0', '0000-02-29', '0000-02-29T00:00:00.000Z'],
  ])('takes %s as a timestamp', async (_, timestamp, expected) => {
    const store = await openTestStore();
    await store.append('orders', { type: 'placed', timestamp });

    const [event] = await store.readStream('orders');

    expect(event.timestamp.toISOString()).toBe(expected);
  });

  it('records with times that never fall when the clock goes backwards', async () => {
    const clock = new ManualClock('2024-01-01T00:00:10Z');
    const store = await openTestStore({ clock });
    await store.append('orders', { type: 'first' });
    clock.jump(-5_000);
    await store.append('orders', { type: 'second' });

    const [first, second] = await store.readStream('orders');

    expect(second.recordedAt).toEqual(first.recordedAt);
  });

  it('keeps nothing when its signal is already aborted, and tells the reason', async () => {
    const store = await openTestStore();
    const signal = AbortSignal.abort('the user left');

    const append = store.append('orders', { type: 'placed' }, { signal });

    await expect(append).rejects.toBeInstanceOf(OperationAbortedError);
    await expect(append).rejects.toMatchObject({ code: 'OPERATION_ABORTED', cause: 'the user left' });
    expect(await eventCount(store)).toBe(0);
  });

  it('takes an array with a hole in it as a batch with a missing event', async () => {
    const store = await openTestStore();
    const batch = [, { type: 'b' }] as { type: string }[];

    await expect(store.append('orders', batch)).rejects.toThrow(ValidationError);

    expect(await eventCount(store)).toBe(0);
  });

  it('shows a batch to readers whole or not at all', async () => {
    const store = await openTestStore();
    const sizes: number[] = [];

    await Promise.all(
      Array.from({ length: 20 }, async () => {
        await store.append('orders', numbered(1, 7));
        sizes.push((await store.readStream('orders')).length);
      }),
    );

    expect(sizes.every((size) => size % 7 === 0)).toBe(true);
  });
});

describe('createEvent', () => {
  it('gives an event an id of its own, so that it can be appended again as a retry', async () => {
    const store = await openTestStore();
    const event = createEvent('placed', { total: 3 });

    const first = await store.append('orders', event, { expectedRevision: 0 });
    const second = await store.append('orders', event, { expectedRevision: 0 });

    expect(event.id).toMatch(UUID_V7);
    expect(second).toEqual(first);
  });

  it('takes over the id, metadata and timestamp it is given', () => {
    const event = createEvent('placed', 7, { id: 'x', metadata: { by: 'me' }, timestamp: 5 });

    expect(event).toEqual({ type: 'placed', data: 7, id: 'x', metadata: { by: 'me' }, timestamp: 5 });
  });

  it('keeps false, 0, empty text and null as data', () => {
    expect([false, 0, '', null].map((data) => createEvent('t', data).data)).toEqual([false, 0, '', null]);
  });
});
