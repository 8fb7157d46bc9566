import { describe, expect, it } from '@jest/globals';
import { type EventStore, type RecordedEvent } from 'nestjs-stream-store';
import { createEventStore } from '../../lib/open-event-store.js';
import { numbered, take } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';

interface Order {
  total: number;
  lines: { sku: string }[];
}

async function storeWithOrder(): Promise<EventStore> {
  const store = await openTestStore();
  await store.append('orders', {
    type: 'placed',
    id: 'o1',
    timestamp: '2024-01-01T00:00:00Z',
    data: { total: 3, lines: [{ sku: 'a' }] },
    metadata: { user: { id: 'u1' } },
  });
  return store;
}

const kept = {
  id: 'o1',
  type: 'placed',
  timestamp: new Date('2024-01-01T00:00:00Z'),
  data: { total: 3, lines: [{ sku: 'a' }] },
  metadata: { user: { id: 'u1' } },
};

describe('an event is not changed by its writer', () => {
  it('who changes the data, metadata, date and batch before the append has resolved', async () => {
    const store = await openTestStore();
    const timestamp = new Date('2024-01-01T00:00:00Z');
    const event = { ...structuredCloneOf(kept), timestamp };
    const batch = [event];
    const append = store.append('orders', batch);

    event.type = 'changed';
    event.data.total = 99;
    event.data.lines.push({ sku: 'b' });
    event.metadata.user.id = 'u2';
    timestamp.setTime(0);
    batch.push(event);
    await append;

    expect(await store.readStream('orders')).toEqual([expect.objectContaining(kept)]);
  });

  it('who changes them while the store is still opening', async () => {
    const store = createEventStore();
    const event = structuredCloneOf(kept);
    const append = store.append('orders', event);
    event.data.total = 99;
    await append;

    const [read] = await store.readStream('orders');

    expect(read.data).toEqual(kept.data);
    await store.close();
  });

  it('who changes them afterwards', async () => {
    const store = await openTestStore();
    const event = structuredCloneOf(kept);
    await store.append('orders', event);

    event.data.lines[0].sku = 'changed';
    event.metadata.user.id = 'changed';

    expect(await store.readStream('orders')).toEqual([expect.objectContaining(kept)]);
  });

  it('whose objects are left as they were', async () => {
    const store = await openTestStore();
    const event = structuredCloneOf(kept);

    await store.append('orders', event);

    expect(event).toEqual(kept);
    expect(Object.isFrozen(event.data)).toBe(false);
  });
});

describe('an event is not changed by a reader', () => {
  it.each<[string, (event: RecordedEvent & { data: Order }) => void]>([
    ['its data', ({ data }) => (data.total = 99)],
    ['an array in its data', ({ data }) => data.lines.push({ sku: 'b' })],
    ['an object deep in its data', ({ data }) => (data.lines[0].sku = 'b')],
    ['a new member of its data', ({ data }) => Object.assign(data, { more: 1 })],
    ['its metadata', ({ metadata }) => Object.assign(metadata, { more: 1 })],
    ['an object deep in its metadata', ({ metadata }) => ((metadata.user as { id: string }).id = 'u2')],
    ['its position', (event) => Object.assign(event, { position: 7 })],
    ['a member it does not have', (event) => Object.assign(event, { more: 1 })],
    ['the hours of its timestamp', ({ timestamp }) => timestamp.setHours(0, 0, 0, 0)],
    ['the time of its timestamp', ({ timestamp }) => timestamp.setTime(0)],
    ['the year of its recordedAt', ({ recordedAt }) => recordedAt.setUTCFullYear(1999)],
    ['a method of its timestamp', ({ timestamp }) => (timestamp.getTime = () => 0)],
    ['a member of its recordedAt', ({ recordedAt }) => Object.assign(recordedAt, { toISOString: () => 'never' })],
  ])('who writes to %s', async (_, change) => {
    const store = await storeWithOrder();
    const [event] = (await store.readStream('orders')) as (RecordedEvent & { data: Order })[];

    expect(() => change(event)).toThrow(TypeError);

    const [again] = await store.readStream('orders');
    expect(again).toMatchObject(kept);
    expect(again.timestamp.getTime()).toBe(kept.timestamp.getTime());
    expect(again.recordedAt.toISOString()).toMatch(/^\d{4}-/);
  });

  it('who writes to empty metadata, which events may share', async () => {
    const store = await openTestStore();
    await store.append('orders', numbered(1, 2));
    const [first] = await store.readStream('orders');

    expect(() => Object.assign(first.metadata, { more: 1 })).toThrow(TypeError);

    expect((await store.readStream('orders'))[1].metadata).toEqual({});
  });

  it.each<[string, (store: EventStore) => Promise<RecordedEvent[]>]>([
    ['read', async (store) => (await store.read('orders')).events],
    ['readStream', (store) => store.readStream('orders')],
    ['readStream backward', (store) => store.readStream('orders', 0, { direction: 'backward' })],
    ['readAll', async (store) => (await store.readAll()).events],
    ['readTimeRange', (store) => store.readTimeRange()],
    ['replay', (store) => take(store.replay())],
  ])('who changes the array that %s gave', async (_, read) => {
    const store = await openTestStore();
    await store.append('orders', numbered(1, 3));
    const before = [...(await read(store))];
    const given = await read(store);
    given.length = 0;
    given.push(before[2]);

    expect(await read(store)).toEqual(before);
    expect((await store.readStream('orders')).map(({ position }) => position)).toEqual([1, 2, 3]);
  });

  it('who changes the arrays that a replay and a subscription give', async () => {
    const store = await openTestStore();
    await store.append('orders', numbered(1, 3));
    for (const sequence of [store.replay().batches(), store.subscribe('orders').batches()]) {
      const [batch] = await take(sequence, 1);
      (batch as RecordedEvent[]).length = 0;
    }

    expect(await store.readStream('orders')).toHaveLength(3);
    expect(await take(store.replay())).toHaveLength(3);
  });
});

describe('the store is not changed through', () => {
  it('the answer of an append', async () => {
    const store = await storeWithOrder();
    const result = await store.append('orders', { type: 'paid' });
    try {
      Object.assign(result, { revision: 99 });
    } catch {
      // A frozen answer is as good.
    }

    expect(await store.append('orders', { type: 'shipped' })).toMatchObject({ revision: 3 });
  });

  it('the dates and counts of a stream info', async () => {
    const store = await storeWithOrder();
    const [info] = await store.getStreams();
    try {
      Object.assign(info, { eventCount: 99 });
      info.firstEvent!.setTime(0);
    } catch {
      // Read-only dates are as good.
    }

    expect(await store.getStreamInfo('orders')).toMatchObject({ eventCount: 1, firstEvent: kept.timestamp });
    expect((await store.readStream('orders'))[0]).toMatchObject(kept);
  });

  it('a cursor, and the date in it', async () => {
    const store = await storeWithOrder();
    const { cursor } = await store.read('orders');

    expect(() => Object.assign(cursor, { position: 0 })).toThrow(TypeError);
    expect(() => cursor.timestamp!.setTime(0)).toThrow(TypeError);

    expect((await store.readStream('orders'))[0]).toMatchObject(kept);
  });

  it('the statistics', async () => {
    const store = await storeWithOrder();
    const stats = await store.stats();
    try {
      Object.assign(stats, { totalEvents: 99 });
    } catch {
      // Frozen statistics are as good.
    }

    expect((await store.stats()).totalEvents).toBe(1);
  });
});

/** A deep copy, whose objects belong to the realm of this test. */
function structuredCloneOf(value: typeof kept): typeof kept {
  return { ...(JSON.parse(JSON.stringify(value)) as typeof kept), timestamp: new Date(value.timestamp) };
}
