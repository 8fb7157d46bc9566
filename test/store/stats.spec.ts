import { describe, expect, it } from '@jest/globals';
import { createEvent, type EventStore, memoryEngine } from 'nestjs-stream-store';
import { numbered, rejectionOf, take } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

async function memoryOf(store: EventStore): Promise<number> {
  return (await store.stats()).memoryUsageBytes;
}

describe('stats', () => {
  it('are zero for a new store', async () => {
    const store = await openTestStore();

    expect(await store.stats()).toEqual({
      totalEvents: 0,
      totalStreams: 0,
      eventsAppended: 0,
      eventsRead: 0,
      eventsExpired: 0,
      subscriptionsActive: 0,
      snapshotsCreated: 0,
      memoryUsageBytes: expect.any(Number),
    });
  });

  it('count what is kept and what was appended', async () => {
    const store = await openTestStore();
    await store.append('a', numbered(1, 3));
    await store.append('b', numbered(1, 2));

    expect(await store.stats()).toMatchObject({ totalEvents: 5, totalStreams: 2, eventsAppended: 5 });
  });

  it('count no append that was refused, empty or repeated', async () => {
    const store = await openTestStore({ maxStreams: 1 });
    const event = createEvent('t');
    await store.append('a', event, { expectedRevision: 0 });
    await store.append('a', event, { expectedRevision: 0 });
    await store.append('a', []);
    await rejectionOf(store.append('a', numbered(1, 1), { expectedRevision: 7 }));
    await rejectionOf(store.append('b', numbered(1, 1)));
    await rejectionOf(store.append('', numbered(1, 1)));

    expect(await store.stats()).toMatchObject({ totalEvents: 1, totalStreams: 1, eventsAppended: 1 });
  });

  it('keep counting what was appended when retention removes it', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1m' });
    await store.append('a', numbered(1, 3));
    clock.jump(60_001);
    const hidden = await store.stats();
    await store.sweep();

    expect(hidden).toMatchObject({ totalEvents: 0, totalStreams: 0, eventsAppended: 3, eventsExpired: 0 });
    expect(await store.stats()).toMatchObject({ totalEvents: 0, totalStreams: 0, eventsAppended: 3, eventsExpired: 3 });
  });

  it('count the events of every kind of read', async () => {
    const store = await openTestStore();
    await store.append('a', numbered(1, 5));
    const counts: number[] = [];
    const reads = [
      () => store.read('a', 3),
      () => store.readStream('a', 0, { limit: 3 }),
      () => store.readAll({ limit: 4 }),
      () => store.readTimeRange(),
      () => take(store.replay()),
      () => take(store.subscribe('a'), 5),
      () => store.getStreams(),
      () => rejectionOf(store.readStream('nobody')),
    ];
    let before = 0;
    for (const read of reads) {
      await read();
      const { eventsRead } = await store.stats();
      counts.push(eventsRead - before);
      before = eventsRead;
    }

    expect(counts).toEqual([2, 3, 4, 5, 5, 5, 0, 0]);
  });

  it('count the events that reached a reader, not those that were read ahead for it', async () => {
    const store = await openTestStore();
    await store.append('a', numbered(1, 100));
    await take(store.replay(), 3);
    const { eventsRead: replayed } = await store.stats();
    await take(store.subscribe('a'), 3);
    const { eventsRead } = await store.stats();

    expect([replayed, eventsRead - replayed]).toEqual([3, 3]);
  });

  it('count the subscriptions that have not ended', async () => {
    const store = await openTestStore();
    const one = store.subscribe('a');
    const other = store.subscribe({ all: true });
    const leaving = new AbortController();
    store.subscribe('b', 0, { signal: leaving.signal });
    const counts = [(await store.stats()).subscriptionsActive];
    await one.close();
    counts.push((await store.stats()).subscriptionsActive);
    leaving.abort();
    counts.push((await store.stats()).subscriptionsActive);
    await other.close();
    await other.close();
    counts.push((await store.stats()).subscriptionsActive);

    expect(counts).toEqual([3, 2, 1, 0]);
  });
});

describe('memoryUsageBytes', () => {
  const large = Array.from({ length: 1_000 }, () => ({ type: 't', data: 'x'.repeat(1_000) }));

  it('grows with what is kept, by about what it takes', async () => {
    const store = await openTestStore();
    const empty = await memoryOf(store);
    for (let n = 0; n < 10; n++) await store.append('a', large);

    const grown = (await memoryOf(store)) - empty;

    expect(grown).toBeGreaterThan(10_000_000);
    expect(grown).toBeLessThan(20_000_000);
  });

  it('counts the events kept ready for readers, up to a bound', async () => {
    const bounded = await openTestStore({ engine: memoryEngine({ recordCacheBytes: 1_000_000 }) });
    for (let n = 0; n < 10; n++) await bounded.append('a', large);
    const before = await memoryOf(bounded);
    await bounded.readStream('a', 0, { limit: 100 });
    const some = await memoryOf(bounded);
    await bounded.readStream('a');

    expect(some).toBeGreaterThan(before + 100_000);
    expect(await memoryOf(bounded)).toBeLessThanOrEqual(before + 1_000_000);
  });

  it('returns when retention has removed the events', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1m', maxEventsPerStream: 0 });
    const empty = await memoryOf(store);
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 10; n++) await store.append('a', large);
      await store.readStream('a');
      clock.jump(60_001);
      await store.sweep();
    }

    expect((await memoryOf(store)) - empty).toBeLessThan(5_000_000);
  });
});
