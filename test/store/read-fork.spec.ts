import { describe, expect, it } from '@jest/globals';
import { Cursor, type EventStore, LogForkedError } from 'nestjs-stream-store';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { SharedMemory } from '../support/engines/shared-memory-engine.js';

interface WentBack {
  readonly store: EventStore;
  /** The text of a cursor at the event 5. */
  readonly kept: string;
  /** The text of a cursor at the event 10, of which the log knows nothing any more. */
  readonly lost: string;
}

/** The log is put back to where it held five of ten events, and gets others. */
async function wentBack(appendedSince: number): Promise<WentBack> {
  const clock = new ManualClock();
  const memory = new SharedMemory(clock);
  const store = await openTestStore({ engine: memory.engine(), clock });
  await store.append('orders', numbered(1, 5));
  const copy = memory.backUp();
  const kept = String((await store.read('orders')).cursor);
  await store.append('orders', numbered(6, 10));
  const lost = String((await store.read('orders')).cursor);
  await memory.putBack(copy);
  if (appendedSince > 0) await store.append('orders', numbered(101, 100 + appendedSince));
  return { store, kept, lost };
}

/** Another log, as that of a memory engine after a restart. */
async function lostAll(appendedSince: number): Promise<WentBack> {
  const before = await openTestStore();
  await before.append('orders', numbered(1, 10));
  const lost = String((await before.read('orders')).cursor);
  const store = await openTestStore();
  if (appendedSince > 0) await store.append('orders', numbered(101, 100 + appendedSince));
  return { store, kept: String(new Cursor('orders')), lost };
}

describe.each([
  ['was put back', wentBack, 5],
  ['was lost', lostAll, 0],
])('a cursor of before the log %s', (_how, setUp, left) => {
  it.each([0, 1, 10, 20])('is refused, with %d events appended since', async (count) => {
    const { store, lost } = await setUp(count);

    const read = store.read('orders', Cursor.parse(lost));

    await expect(read).rejects.toBeInstanceOf(LogForkedError);
    await expect(read).rejects.toMatchObject({ code: 'LOG_FORKED', position: 10, head: left + count });
    await expect(read).rejects.toThrow(/stream "orders".*position 10/);
  });

  it('is refused whatever types and however many events are asked for', async () => {
    const { store, lost } = await setUp(20);

    for (const limit of [0, 1]) {
      const read = store.read('orders', Cursor.parse(lost), limit, { types: ['never'] });
      await expect(read).rejects.toMatchObject({ code: 'LOG_FORKED' });
    }
  });

  it('is gone on from, when it is at a place that is as it was', async () => {
    const { store, kept } = await setUp(20);

    const { events } = await store.read('orders', Cursor.parse(kept), 2);

    expect(dataOf(events)).toEqual([101, 102]);
  });
});

describe('a cursor without a mark', () => {
  it('is refused when the stream ends before it', async () => {
    const { store } = await wentBack(0);

    await expect(store.read('orders', new Cursor('orders', 6))).rejects.toMatchObject({ code: 'LOG_FORKED', head: 5 });
  });

  it('is taken at its word within the stream, as a position is everywhere', async () => {
    const { store } = await wentBack(8);

    expect(dataOf((await store.read('orders', new Cursor('orders', 10))).events)).toEqual([106, 107, 108]);
    expect((await store.read('orders', 99)).events).toEqual([]);
  });
});

describe('a cursor at an event that retention has removed', () => {
  it('is taken at its word', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1m' });
    await store.append('orders', numbered(1, 3));
    const { cursor } = await store.read('orders');
    await clock.advance(300_000);
    await store.append('orders', numbered(4, 4));

    expect(dataOf((await store.read('orders', cursor)).events)).toEqual([4]);
  });
});
