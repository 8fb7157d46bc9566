import { describe, expect, it } from '@jest/globals';
import { StreamNotFoundError } from 'nestjs-stream-store';
import { dataOf, numbered, take } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { MINUTE, storeWithRetention } from '../support/store-with.js';

describe('an event that was kept longer than retentionDuration', () => {
  it('is there until the last millisecond, and hidden from every read in the next', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 2));
    clock.jump(10 * MINUTE);
    const before = await store.readStream('a');

    clock.jump(1);

    expect(dataOf(before)).toEqual([1, 2]);
    expect(await store.readStream('a')).toEqual([]);
    expect((await store.read('a')).events).toEqual([]);
    expect((await store.readAll()).events).toEqual([]);
    expect((await store.readAll({ filter: { stream: 'a' }, direction: 'backward' })).events).toEqual([]);
    expect(await store.readTimeRange()).toEqual([]);
    expect(await take(store.replay())).toEqual([]);
    expect(await store.getStreams()).toEqual([]);
    expect(await store.stats()).toMatchObject({ totalEvents: 0, totalStreams: 0 });
  });

  it('is judged by when it was recorded, not by when it happened', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', { type: 't', data: 'old import', timestamp: '1999-01-01' });
    await store.append('a', { type: 't', data: 'from the future', timestamp: '2999-01-01' });
    clock.jump(10 * MINUTE);
    const before = await store.readStream('a');
    clock.jump(1);

    expect(dataOf(before)).toEqual(['old import', 'from the future']);
    expect(await store.readStream('a')).toEqual([]);
  });

  it('leaves those that came later, whatever their stream', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 2));
    clock.jump(5 * MINUTE);
    await store.append('a', numbered(3, 4));
    await store.append('b', numbered(5, 5));
    clock.jump(5 * MINUTE + 1);

    expect(dataOf((await store.readAll()).events)).toEqual([3, 4, 5]);
    expect((await store.getStreamInfo('a')).firstPosition).toBe(3);
  });

  it('stays hidden when the clock goes backwards', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 1));
    clock.jump(11 * MINUTE);
    const hidden = await store.readStream('a');
    clock.jump(-11 * MINUTE);

    expect(hidden).toEqual([]);
    expect(await store.readStream('a')).toEqual([]);
    expect(await store.getStreams()).toEqual([]);
  });

  it('is kept for ever by default', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock });
    await store.append('a', numbered(1, 2));
    await clock.advance(1_000 * 365 * 24 * 60 * MINUTE);

    expect(await store.sweep()).toBe(0);
    expect(dataOf(await store.readStream('a'))).toEqual([1, 2]);
  });
});

describe('a stream that retention emptied', () => {
  it.each([
    ['hidden', false],
    ['removed', true],
  ])('counts on from its last position when its events were %s', async (_, sweep) => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 3));
    clock.jump(11 * MINUTE);
    if (sweep) await store.sweep();

    const result = await store.append('a', numbered(4, 5));

    expect(result).toMatchObject({ firstPosition: 4, revision: 5, globalPosition: 5 });
    expect((await store.readStream('a')).map(({ position, data }) => [position, data])).toEqual([
      [4, 4],
      [5, 5],
    ]);
  });

  it('leaves getStreams, comes back with its next event, and is known meanwhile', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 3));
    clock.jump(11 * MINUTE);
    await store.sweep();
    const listed = await store.getStreams();
    const info = await store.getStreamInfo('a');
    await store.append('a', numbered(4, 4));

    expect(listed).toEqual([]);
    expect(info).toEqual({
      streamId: 'a',
      eventCount: 0,
      firstEvent: null,
      lastEvent: null,
      firstPosition: 4,
      lastPosition: 3,
    });
    expect((await store.getStreams()).map(({ streamId, eventCount }) => [streamId, eventCount])).toEqual([['a', 1]]);
    await expect(store.getStreamInfo('never')).rejects.toBeInstanceOf(StreamNotFoundError);
  });

  it('can be emptied and filled again and again, also across pages and chunks of the log', async () => {
    const { store, clock } = await storeWithRetention();
    let last = 0;
    for (const count of [1, 1_023, 1, 1_024, 5_000, 3]) {
      const { firstPosition } = await store.append('a', numbered(last + 1, last + count));
      expect(firstPosition).toBe(last + 1);
      last += count;
      expect(dataOf(await store.readStream('a'))).toHaveLength(count);
      expect((await store.readStream('a', 0, { direction: 'backward', limit: 1 }))[0].data).toBe(last);
      clock.jump(11 * MINUTE);
      expect(await store.sweep()).toBe(count);
      expect(await store.readStream('a')).toEqual([]);
    }
  });
});

describe('a reader behind retention', () => {
  it('reads on with the first event that is kept', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 4));
    const { cursor } = await store.read('a', 0, 1);
    clock.jump(8 * MINUTE);
    await store.append('a', numbered(5, 6));
    clock.jump(3 * MINUTE);
    const hidden = await store.read('a', cursor);
    await store.sweep();
    const removed = await store.read('a', cursor);

    expect(dataOf(hidden.events)).toEqual([5, 6]);
    expect(dataOf(removed.events)).toEqual([5, 6]);
    expect(removed.cursor.position).toBe(6);
  });
});
