import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { END, type EventStore, openEventStore, type RecordedEvent } from 'nestjs-stream-store';

/** Two of them fit into a page of 8 MiB. */
const LARGE = 'x'.repeat(3 * 2 ** 20);

const placesOf = (events: readonly RecordedEvent[]): number[] => events.map(({ position }) => position);

describe('large events', () => {
  let store: EventStore;

  beforeEach(async () => {
    store = await openEventStore();
    for (let n = 1; n <= 5; n++) await store.append('scans', { type: 'scanned', data: LARGE, timestamp: n });
  });

  afterEach(() => store.close());

  it('come in pages that can be held in memory: read says that more follow', async () => {
    const page = await store.read('scans', 0, 100);

    expect([placesOf(page.events), page.isEnd, page.cursor.position]).toEqual([[1, 2], false, 2]);
    const next = await store.read('scans', page.cursor, 100);
    expect([placesOf(next.events), next.isEnd]).toEqual([[3, 4], false]);
    const last = await store.read('scans', next.cursor, 100);
    expect([placesOf(last.events), last.isEnd]).toEqual([[5], true]);
  });

  it('come in pages that can be held in memory: readAll says that more follow', async () => {
    const forward = await store.readAll({ limit: 100 });
    expect([placesOf(forward.events), forward.isEnd, forward.globalPosition]).toEqual([[1, 2], false, 2]);
    const backward = await store.readAll({ from: END, limit: 100, direction: 'backward' });
    expect([placesOf(backward.events), backward.isEnd, backward.globalPosition]).toEqual([[5, 4], false, 4]);
  });

  it('come all when all are asked for', async () => {
    expect(placesOf((await store.read('scans', 0, 0)).events)).toEqual([1, 2, 3, 4, 5]);
    expect(placesOf((await store.readAll({ limit: 0 })).events)).toEqual([1, 2, 3, 4, 5]);
    expect(placesOf(await store.readStream('scans'))).toEqual([1, 2, 3, 4, 5]);
    expect(placesOf(await store.readTimeRange())).toEqual([1, 2, 3, 4, 5]);
  });

  it('come as many as were asked for where the answer cannot say that more follow', async () => {
    expect(placesOf(await store.readStream('scans', 0, { limit: 4 }))).toEqual([1, 2, 3, 4]);
    expect(placesOf(await store.readTimeRange(undefined, undefined, { limit: 4 }))).toEqual([1, 2, 3, 4]);
  });

  it('come in batches that can be held in memory', async () => {
    const subscription = store.subscribe('scans');
    const subscribed: number[] = [];
    for await (const batch of subscription.batches()) {
      subscribed.push(batch.length);
      if (batch.at(-1)!.position === 5) break;
    }
    const replayed: number[] = [];
    for await (const batch of store.replay().batches()) replayed.push(batch.length);

    expect([subscribed, replayed]).toEqual([
      [2, 2, 1],
      [2, 2, 1],
    ]);
  });

  it('come although each is larger than a page', async () => {
    const larger = 'x'.repeat(9 * 2 ** 20);
    for (let n = 6; n <= 7; n++) await store.append('scans', { type: 'scanned', data: larger });

    const page = await store.read('scans', 5, 100);

    expect([placesOf(page.events), page.isEnd]).toEqual([[6], false]);
    expect(placesOf((await store.read('scans', page.cursor, 100)).events)).toEqual([7]);
  });
});
