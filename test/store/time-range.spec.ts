import { describe, expect, it } from '@jest/globals';
import { type EventStore, type NewEvent, type ReadTimeRangeOptions, type RecordedEvent } from 'nestjs-stream-store';
import { dataOf, take } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { scaled } from '../support/scale.js';

const day = (n: number): string => `2024-01-${String(n).padStart(2, '0')}T00:00:00Z`;

/** Events of the days 1 to 5, which arrived in another order. */
async function storeOfFiveDays(): Promise<EventStore> {
  const store = await openTestStore();
  for (const n of [3, 1, 5, 2, 4]) {
    await store.append(n % 2 === 0 ? 'even' : 'odd', { type: `day.${n}`, data: n, timestamp: day(n) });
  }
  return store;
}

type Times = (count: number) => number[];

const SHAPES: Record<string, Times> = {
  'in order': (count) => Array.from({ length: count }, (_, index) => index * 10),
  '1 % late': (count) => Array.from({ length: count }, (_, index) => index * 10 - (index % 100 === 0 ? 25_000 : 0)),
  shuffled: (count) => Array.from({ length: count }, (_, index) => ((index * 7_919) % count) * 10),
  'newest first': (count) => Array.from({ length: count }, (_, index) => (count - index) * 10),
  'mostly ties': (count) => Array.from({ length: count }, (_, index) => (index * 31) % 7),
  'all at the same time': (count) => Array.from({ length: count }, () => 5),
};

async function storeOfTimes(times: readonly number[]): Promise<EventStore> {
  const store = await openTestStore({ maxEventsPerStream: 0 });
  for (let begin = 0; begin < times.length; begin += 1_000) {
    const batch = times.slice(begin, begin + 1_000);
    const events = batch.map((timestamp, index): NewEvent => ({
      type: `t${index % 3}`,
      data: begin + index,
      timestamp,
    }));
    await store.append(`s${(begin / 1_000) % 3}`, events);
  }
  return store;
}

/** The same answer by looking at everything. */
function byLooking(all: readonly RecordedEvent[], from: number, to: number): number[] {
  return all
    .filter(({ timestamp }) => timestamp.getTime() >= from && timestamp.getTime() <= to)
    .sort((a, b) => a.timestamp.getTime() - b.timestamp.getTime() || a.globalPosition - b.globalPosition)
    .map(({ globalPosition }) => globalPosition);
}

const placesOf = (events: readonly RecordedEvent[]): number[] => events.map(({ globalPosition }) => globalPosition);

describe('readTimeRange', () => {
  it.each<[string, string | undefined, string | undefined, ReadTimeRangeOptions, number[]]>([
    ['everything, oldest first', undefined, undefined, {}, [1, 2, 3, 4, 5]],
    ['both ends included', day(2), day(4), {}, [2, 3, 4]],
    ['a single moment', day(3), day(3), {}, [3]],
    ['open to the future', day(4), undefined, {}, [4, 5]],
    ['open to the past', undefined, day(2), {}, [1, 2]],
    ['nothing before the first event', undefined, '2023-12-31T23:59:59.999Z', {}, []],
    ['nothing after the last event', '2024-01-05T00:00:00.001Z', undefined, {}, []],
    ['nothing between two events', '2024-01-02T00:00:00.001Z', '2024-01-02T23:59:59.999Z', {}, []],
    ['the oldest up to a limit', day(2), undefined, { limit: 2 }, [2, 3]],
    ['all for a limit of 0', day(2), undefined, { limit: 0 }, [2, 3, 4, 5]],
    ['the events of one stream', undefined, undefined, { filter: { stream: 'even' } }, [2, 4]],
    ['the events of some types', day(2), undefined, { filter: { types: ['day.1', 'day.5', 'day.2'] } }, [2, 5]],
    ['filtered up to a limit', undefined, undefined, { filter: { streams: 'o*' }, limit: 2 }, [1, 3]],
  ])('gives %s', async (_, from, to, options, expected) => {
    const store = await storeOfFiveDays();

    expect(dataOf(await store.readTimeRange(from, to, options))).toEqual(expected);
  });

  it('takes its ends as Date, milliseconds or text', async () => {
    const store = await storeOfFiveDays();

    const answers = await Promise.all([
      store.readTimeRange(new Date(day(2)), new Date(day(3))),
      store.readTimeRange(Date.parse(day(2)), Date.parse(day(3))),
      store.readTimeRange('2024-01-02', '2024-01-03T01:00:00+01:00'),
    ]);

    expect(answers.map(dataOf)).toEqual([
      [2, 3],
      [2, 3],
      [2, 3],
    ]);
  });

  it('orders events of the same time by global position', async () => {
    const store = await openTestStore();
    for (const stream of ['c', 'a', 'b']) await store.append(stream, { type: 't', data: stream, timestamp: day(1) });

    expect(dataOf(await store.readTimeRange(day(1), day(1)))).toEqual(['c', 'a', 'b']);
  });

  it('goes by the time events happened, not by the time they were recorded', async () => {
    const store = await openTestStore({ clock: new ManualClock(day(20)) });
    await store.append('s', { type: 't', data: 'imported', timestamp: day(1) });
    await store.append('s', { type: 't', data: 'now' });

    expect(dataOf(await store.readTimeRange(day(1), day(2)))).toEqual(['imported']);
    expect(dataOf(await store.readTimeRange(day(20), day(20)))).toEqual(['now']);
  });

  it('finds times before 1970 and far in the future', async () => {
    const store = await openTestStore();
    const times = [8.64e15, -8.64e15, 0, -1];
    for (const timestamp of times) await store.append('s', { type: 't', data: timestamp, timestamp });

    expect(dataOf(await store.readTimeRange())).toEqual([-8.64e15, -1, 0, 8.64e15]);
    expect(dataOf(await store.readTimeRange(-8.64e15, -1))).toEqual([-8.64e15, -1]);
  });

  it('gives nothing of an empty store', async () => {
    const store = await openTestStore();

    expect(await store.readTimeRange()).toEqual([]);
  });

  it('hides what retention has expired, wherever its time lies', async () => {
    const clock = new ManualClock(day(1));
    const store = await openTestStore({ clock, retentionDuration: '1d' });
    await store.append('s', { type: 't', data: 'future', timestamp: day(9) });
    await store.append('s', { type: 't', data: 'past', timestamp: '1999-01-01' });
    clock.jump(86_400_001);
    await store.append('s', { type: 't', data: 'kept', timestamp: '1998-01-01' });

    expect(dataOf(await store.readTimeRange())).toEqual(['kept']);
    await store.sweep();
    expect(dataOf(await store.readTimeRange())).toEqual(['kept']);
  });

  it('can be aborted', async () => {
    const store = await storeOfFiveDays();

    const read = store.readTimeRange(undefined, undefined, { signal: AbortSignal.abort('enough') });

    await expect(read).rejects.toMatchObject({
      code: 'OPERATION_ABORTED',
      operation: 'readTimeRange',
      cause: 'enough',
    });
  });
});

describe('a time range over many chunks of 4 096 events', () => {
  const COUNT = scaled(9_000, 9_000);

  it.each(Object.entries(SHAPES))('is what looking at everything gives, for events that came %s', async (_, shape) => {
    const times = shape(COUNT);
    const store = await storeOfTimes(times);
    const { events: all } = await store.readAll({ limit: 0 });
    const latest = Math.max(...times);
    const ranges = [
      [-Infinity, Infinity],
      [0, 0],
      [5, 5],
      [latest, latest],
      [latest / 2, latest / 2 + 1_000],
      [latest / 3, latest],
      [-30_000, latest / 4],
      [latest / 2 + 1, latest / 2 + 9],
    ];

    for (const [from, to] of ranges as [number, number][]) {
      const found = await store.readTimeRange(from === -Infinity ? undefined : from, to === Infinity ? undefined : to);
      expect(placesOf(found)).toEqual(byLooking(all, from, to));
    }
  });

  it.each(Object.entries(SHAPES))('is limited to its first events, for events that came %s', async (_, shape) => {
    const times = shape(COUNT);
    const store = await storeOfTimes(times);
    const { events: all } = await store.readAll({ limit: 0 });
    const everything = byLooking(all, -Infinity, Infinity);

    for (const limit of [1, 2, 100, 4_097, COUNT - 1, COUNT, COUNT + 1]) {
      expect(placesOf(await store.readTimeRange(undefined, undefined, { limit }))).toEqual(everything.slice(0, limit));
    }
  });

  it.each(Object.entries(SHAPES))(
    'is replayed in pages without gap or repeat, for events that came %s',
    async (_, shape) => {
      const store = await storeOfTimes(shape(COUNT));
      const { events: all } = await store.readAll({ limit: 0 });

      const replayed = (await take(store.replay(undefined, undefined, { batchSize: 999 }).batches())).flat();

      expect(placesOf(replayed)).toEqual(byLooking(all, -Infinity, Infinity));
    },
  );

  it('is filtered the same way', async () => {
    const store = await storeOfTimes(SHAPES.shuffled(COUNT));
    const { events: all } = await store.readAll({ limit: 0 });
    const filter = { streams: 's[12]*', types: ['t1'] };

    const none = await store.readTimeRange(1_000, 90_000, { filter });
    const some = await store.readTimeRange(1_000, 90_000, {
      filter: { stream: 's1', types: ['t1', 't2'] },
      limit: 500,
    });

    const wanted = all.filter(({ streamId, type }) => streamId === 's1' && type !== 't0');
    expect(none).toEqual([]);
    expect(placesOf(some)).toEqual(byLooking(wanted, 1_000, 90_000).slice(0, 500));
  });

  it('stays right while late events are added to a chunk that was read in the order of time', async () => {
    const store = await openTestStore();
    const seen: number[][] = [];
    for (const [data, timestamp] of [50, 40, 60, 45, 10, 70].entries()) {
      await store.append('s', { type: 't', data, timestamp });
      seen.push((await store.readTimeRange()).map((event) => event.timestamp.getTime()));
    }

    expect(seen).toEqual([
      [50],
      [40, 50],
      [40, 50, 60],
      [40, 45, 50, 60],
      [10, 40, 45, 50, 60],
      [10, 40, 45, 50, 60, 70],
    ]);
  });

  it('stays right when a part of a chunk was trimmed', async () => {
    const clock = new ManualClock(0);
    const store = await openTestStore({ clock, retentionDuration: 1_000, maxEventsPerStream: 0 });
    const shuffled = SHAPES.shuffled(10_000);
    for (let begin = 0; begin < shuffled.length; begin += 500) {
      const batch = shuffled.slice(begin, begin + 500).map((timestamp) => ({ type: 't', timestamp }));
      await store.append('s', batch);
      clock.jump(100);
    }
    await store.sweep();
    const { events: kept } = await store.readAll({ limit: 0 });

    const found = await store.readTimeRange(20_000, 70_000);

    expect(kept[0].globalPosition % 4_096).not.toBe(1);
    expect(placesOf(found)).toEqual(byLooking(kept, 20_000, 70_000));
  });
});
