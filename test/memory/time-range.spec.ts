import { describe, expect, it } from '@jest/globals';
import { memoryEngine, type EventStore, type RecordedEvent } from 'nestjs-stream-store';
import { openTestStore } from '../support/open-test-store.js';
import { Random } from '../support/worlds/random.js';

// More than two chunks of 4 096 events, so that ranges have to be merged.
const EVENTS = 10_000;
const MOMENTS = 20_000;

/** How the times of events run along the log. */
const ARRIVALS: Readonly<Record<string, (index: number, random: Random) => number>> = {
  'in order': (index) => 2 * index,
  'now and then late': (index, random) => 2 * index - (random.below(100) === 0 ? random.below(9_000) : 0),
  'in any order': (_, random) => random.below(MOMENTS),
  'all at a few moments, in order': (index) => Math.floor(index / 3_000),
  'all at a few moments, in any order': (_, random) => random.below(3),
};

async function filledStore(timeOf: (index: number) => number, recordCacheBytes: number): Promise<EventStore> {
  const store = await openTestStore({ engine: memoryEngine({ recordCacheBytes }) });
  for (let first = 0; first < EVENTS; first += 500) {
    const streamId = `s-${(first / 500) % 3}`;
    const events = Array.from({ length: 500 }, (_, index) => ({
      type: index % 7 === 0 ? 'rare' : 'common',
      timestamp: timeOf(first + index) + 20_000,
    }));
    await store.append(streamId, events);
  }
  return store;
}

function sortedByTime(events: readonly RecordedEvent[]): RecordedEvent[] {
  return [...events].sort(
    (a, b) => a.timestamp.getTime() - b.timestamp.getTime() || a.globalPosition - b.globalPosition,
  );
}

const placesOf = (events: readonly RecordedEvent[]): number[] => events.map(({ globalPosition }) => globalPosition);

describe.each(Object.entries(ARRIVALS))('ranges of time over events that arrive %s', (_, timeOf) => {
  it.each([
    ['kept in the cache', 64 * 1_024 * 1_024],
    ['pushed out of the cache', 200_000],
    ['never cached', 0],
  ])('have the same events in the same order as a sorted array, with records %s', async (_kept, recordCacheBytes) => {
    const random = new Random(7);
    const store = await filledStore((index) => timeOf(index, random), recordCacheBytes);
    const all = sortedByTime((await store.readAll({ limit: 0 })).events);
    const times = all.map(({ timestamp }) => timestamp.getTime());

    for (let round = 0; round < 40; round++) {
      const [from, to] = [random.pick(times), random.pick(times)].sort((a, b) => a - b);
      const isWithin = ({ timestamp }: RecordedEvent): boolean =>
        timestamp.getTime() >= from && timestamp.getTime() <= to;
      const filter = random.pick([undefined, { types: ['rare'] }, { streams: 's-1*' }, { streams: '*' }]);
      const isWanted = ({ type, streamId }: RecordedEvent): boolean =>
        (!filter?.types || type === 'rare') && (filter?.streams !== 's-1*' || streamId === 's-1');
      const limit = random.pick([0, 1, 100, 5_000]);

      const found = await store.readTimeRange(from, to, { filter, limit });

      const expected = all.filter((event) => isWithin(event) && isWanted(event));
      expect(placesOf(found)).toEqual(placesOf(limit === 0 ? expected : expected.slice(0, limit)));
    }
  });

  it('are replayed page by page without gap or repeat', async () => {
    const random = new Random(11);
    const store = await filledStore((index) => timeOf(index, random), 64 * 1_024 * 1_024);
    const all = sortedByTime((await store.readAll({ limit: 0 })).events);

    const replayed: RecordedEvent[] = [];
    for await (const batch of store.replay(undefined, undefined, { batchSize: 777 }).batches()) replayed.push(...batch);

    expect(placesOf(replayed)).toEqual(placesOf(all));
  });
});
