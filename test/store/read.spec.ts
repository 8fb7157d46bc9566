import { describe, expect, it } from '@jest/globals';
import { Cursor, type EventStore, StreamNotFoundError, ValidationError } from 'nestjs-stream-store';
import { dataOf, numbered } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

async function storeWith(count: number): Promise<EventStore> {
  const store = await openTestStore();
  await store.append('orders', numbered(1, count));
  return store;
}

describe('read', () => {
  it('begins with the first event', async () => {
    const store = await storeWith(3);

    const { events, isEnd } = await store.read('orders');

    expect(dataOf(events)).toEqual([1, 2, 3]);
    expect(isEnd).toBe(true);
  });

  it('gives the events after a position', async () => {
    const store = await storeWith(5);

    expect(dataOf((await store.read('orders', 3)).events)).toEqual([4, 5]);
  });

  it('gives the events after a cursor', async () => {
    const store = await storeWith(5);

    expect(dataOf((await store.read('orders', new Cursor('orders', 3))).events)).toEqual([4, 5]);
  });

  it('names the last event read in its cursor', async () => {
    const store = await openTestStore();
    await store.append('orders', [
      { type: 'a', timestamp: '2024-01-01T00:00:00Z' },
      { type: 'b', timestamp: '2024-01-02T00:00:00Z' },
      { type: 'c', timestamp: '2024-01-03T00:00:00Z' },
    ]);

    const { cursor } = await store.read('orders', 0, 2);

    const mark = expect.stringMatching(/^[0-9a-z]{7}$/) as unknown as string;
    expect({ ...cursor }).toEqual({ ...new Cursor('orders', 2, new Date('2024-01-02T00:00:00Z')), mark });
  });

  it('goes on from its cursor without gap or repeat, while events are appended', async () => {
    const store = await storeWith(4);
    const seen: unknown[] = [];
    let cursor: Cursor | undefined;
    for (let round = 1; round <= 6; round++) {
      const page = await store.read('orders', cursor, 2);
      seen.push(...dataOf(page.events));
      cursor = page.cursor;
      await store.append('orders', { type: 'counted', data: 4 + round });
    }

    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('goes on from a cursor that became text in between', async () => {
    const store = await storeWith(4);
    const { cursor } = await store.read('orders', 0, 2);

    const { events } = await store.read('orders', Cursor.parse(String(cursor)));

    expect(dataOf(events)).toEqual([3, 4]);
  });

  it('gives the cursor back unchanged when nothing new came', async () => {
    const store = await storeWith(3);
    const { cursor } = await store.read('orders');

    const again = await store.read('orders', cursor);

    expect(again).toEqual({ events: [], cursor, isEnd: true });
    expect(again.cursor).toBe(cursor);
  });

  it('gives a cursor at the given position when nothing comes after it', async () => {
    const store = await storeWith(3);

    expect((await store.read('orders', 3)).cursor).toEqual(new Cursor('orders', 3));
  });

  it('says whether more events follow', async () => {
    const store = await storeWith(3);

    const ends = [];
    for (const limit of [1, 2, 3, 4]) ends.push((await store.read('orders', 0, limit)).isEnd);

    expect(ends).toEqual([false, false, true, true]);
  });

  it('gives a thousand events when no limit is named', async () => {
    const store = await storeWith(1_001);

    const { events, isEnd } = await store.read('orders');

    expect(events).toHaveLength(1_000);
    expect(isEnd).toBe(false);
  });

  it.each([0, -1, -1_000, Infinity])('gives all events for a limit of %d', async (limit) => {
    const store = await storeWith(1_500);

    expect((await store.read('orders', 0, limit)).events).toHaveLength(1_500);
  });

  it('gives the events of one stream only', async () => {
    const store = await storeWith(2);
    await store.append('order', numbered(7, 7));
    await store.append('orders ', numbered(8, 8));

    expect(dataOf((await store.read('orders')).events)).toEqual([1, 2]);
  });

  it('gives events of the wanted types, also by pattern', async () => {
    const store = await openTestStore();
    await store.append('orders', [
      ...numbered(1, 2, 'order.placed'),
      ...numbered(3, 3, 'order.paid'),
      ...numbered(4, 4, 'note'),
    ]);

    const exact = await store.read('orders', 0, 10, { types: ['note', 'order.paid'] });
    const pattern = await store.read('orders', 0, 10, { types: ['order.*'] });

    expect(dataOf(exact.events)).toEqual([3, 4]);
    expect(dataOf(pattern.events)).toEqual([1, 2, 3]);
    expect(pattern.cursor.position).toBe(3);
  });

  it('pages through events of one type without gap or repeat', async () => {
    const store = await openTestStore();
    for (let n = 1; n <= 30; n++) await store.append('orders', { type: n % 3 === 0 ? 'third' : 'other', data: n });
    const seen: unknown[] = [];
    let page = await store.read('orders', 0, 4, { types: ['third'] });
    while (page.events.length > 0) {
      seen.push(...dataOf(page.events));
      page = await store.read('orders', page.cursor, 4, { types: ['third'] });
    }

    expect(seen).toEqual([3, 6, 9, 12, 15, 18, 21, 24, 27, 30]);
    expect(page.isEnd).toBe(true);
  });

  it('rejects for a stream that never was', async () => {
    const store = await storeWith(1);

    const read = store.read('nobody');

    await expect(read).rejects.toBeInstanceOf(StreamNotFoundError);
    await expect(read).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND', streamId: 'nobody' });
  });

  it('gives nothing for a stream that retention emptied, which still is one', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1m' });
    await store.append('orders', numbered(1, 3));
    clock.jump(61_000);

    expect(await store.read('orders')).toEqual({ events: [], cursor: new Cursor('orders', 0), isEnd: true });
  });

  it('refuses a cursor of another stream', async () => {
    const store = await storeWith(3);

    const read = store.read('orders', new Cursor('customers', 1));

    await expect(read).rejects.toBeInstanceOf(ValidationError);
    await expect(read).rejects.toMatchObject({ field: 'cursor' });
    await expect(read).rejects.toThrow(/customers.*orders/);
  });

  it('gives nothing after a cursor that lies beyond the end', async () => {
    const store = await storeWith(3);

    expect(await store.read('orders', 99)).toMatchObject({ events: [], isEnd: true });
  });

  it('sees what was appended before it was called, also when nobody awaited the append', async () => {
    const store = await storeWith(1);
    const append = store.append('orders', numbered(2, 2));

    const { events } = await store.read('orders');
    await append;

    expect(dataOf(events)).toEqual([1, 2]);
  });

  it('can be aborted before it begins, and while the engine is at work', async () => {
    const engine = lateEngine();
    const store = await openTestStore({ engine });
    await store.append('orders', numbered(1, 3));
    const leaving = new AbortController();

    const before = store.read('orders', 0, 10, { signal: AbortSignal.abort('too late') });
    const during = store.read('orders', 0, 10, { signal: leaving.signal });
    leaving.abort('changed my mind');

    await expect(before).rejects.toMatchObject({ code: 'OPERATION_ABORTED', cause: 'too late' });
    await expect(during).rejects.toMatchObject({ code: 'OPERATION_ABORTED', cause: 'changed my mind' });
  });
});
