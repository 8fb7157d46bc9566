import { describe, expect, it } from '@jest/globals';
import { END, type EventStore, type ReadAllOptions, START } from 'nestjs-stream-store';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

/** Events 1 to 9 in turn in the streams order-1, order-2 and customer. */
async function storeOfThreeStreams(): Promise<EventStore> {
  const store = await openTestStore();
  const streams = ['order-1', 'order-2', 'customer'];
  for (let n = 1; n <= 9; n++) {
    await store.append(streams[(n - 1) % 3], { type: n % 2 === 0 ? 'even.changed' : 'odd.changed', data: n });
  }
  return store;
}

describe('readAll', () => {
  it.each<[string, ReadAllOptions, number[], number, boolean]>([
    ['all events in the order they were recorded', {}, [1, 2, 3, 4, 5, 6, 7, 8, 9], 9, true],
    ['the events after a global position', { from: 6 }, [7, 8, 9], 9, true],
    ['nothing after the last', { from: 9 }, [], 9, true],
    ['the first up to a limit', { limit: 4 }, [1, 2, 3, 4], 4, false],
    ['as many as there are', { limit: 9 }, [1, 2, 3, 4, 5, 6, 7, 8, 9], 9, true],
    ['all for a limit of 0', { limit: 0 }, [1, 2, 3, 4, 5, 6, 7, 8, 9], 9, true],
    ['all after START', { from: START }, [1, 2, 3, 4, 5, 6, 7, 8, 9], 9, true],
    ['nothing after END', { from: END }, [], 9, true],
    ['the newest first', { direction: 'backward', limit: 3 }, [9, 8, 7], 7, false],
    ['those before a global position', { direction: 'backward', from: 4 }, [3, 2, 1], 1, true],
    ['nothing before the first', { direction: 'backward', from: 1 }, [], 1, true],
    ['all before END', { direction: 'backward', from: END, limit: 2 }, [9, 8], 8, false],
    ['those of one stream', { filter: { stream: 'order-2' } }, [2, 5, 8], 9, true],
    ['those of streams that fit a pattern', { filter: { streams: 'order-*' } }, [1, 2, 4, 5, 7, 8], 9, true],
    ['those of one type', { filter: { types: ['even.changed'] } }, [2, 4, 6, 8], 9, true],
    ['those of types that fit a pattern', { filter: { types: ['*.changed'] }, limit: 2 }, [1, 2], 2, false],
    ['those that fit every condition', { filter: { streams: 'order-*', types: ['odd.*'] } }, [1, 5, 7], 9, true],
    ['all for an empty filter', { filter: {} }, [1, 2, 3, 4, 5, 6, 7, 8, 9], 9, true],
    ['nothing of a stream that never was', { filter: { stream: 'nobody' } }, [], 9, true],
    [
      'filtered events, newest first',
      { filter: { stream: 'customer' }, direction: 'backward', limit: 2 },
      [9, 6],
      6,
      false,
    ],
  ])('gives %s, and how far it read', async (_, options, expected, globalPosition, isEnd) => {
    const store = await storeOfThreeStreams();

    const page = await store.readAll(options);

    expect(dataOf(page.events)).toEqual(expected);
    expect(page).toMatchObject({ globalPosition, isEnd });
  });

  it('gives nothing of an empty store', async () => {
    const store = await openTestStore();

    expect(await store.readAll()).toEqual({ events: [], globalPosition: 0, isEnd: true });
    expect(await store.readAll({ direction: 'backward' })).toEqual({ events: [], globalPosition: 0, isEnd: true });
    expect(await store.readAll({ from: END })).toEqual({ events: [], globalPosition: 0, isEnd: true });
  });

  it('gives a thousand events when no limit is named', async () => {
    const store = await openTestStore();
    await store.append('orders', numbered(1, 1_500));

    const first = await store.readAll();
    const second = await store.readAll({ from: first.globalPosition });

    expect(first).toMatchObject({ globalPosition: 1_000, isEnd: false });
    expect(second).toMatchObject({ globalPosition: 1_500, isEnd: true });
    expect(dataOf([...first.events, ...second.events])).toEqual(dataOf(await store.readStream('orders')));
  });

  it('goes on from its global position without gap or repeat, whatever the filter lets through', async () => {
    const store = await storeOfThreeStreams();
    const seen: unknown[] = [];
    let page = await store.readAll({ limit: 1, filter: { stream: 'customer' } });
    for (; !page.isEnd || page.events.length > 0;) {
      seen.push(...dataOf(page.events));
      page = await store.readAll({ from: page.globalPosition, limit: 1, filter: { stream: 'customer' } });
    }

    expect(seen).toEqual([3, 6, 9]);
  });

  it('reads over the gap that retention left', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1m' });
    await store.append('a', numbered(1, 3));
    clock.jump(50_000);
    await store.append('b', numbered(4, 5));
    clock.jump(20_000);

    const { events } = await store.readAll();
    await store.sweep();
    const afterSweep = await store.readAll({ direction: 'backward' });

    expect(events.map(({ globalPosition }) => globalPosition)).toEqual([4, 5]);
    expect(dataOf(afterSweep.events)).toEqual([5, 4]);
  });

  it('can be aborted', async () => {
    const store = await storeOfThreeStreams();

    const read = store.readAll({ signal: AbortSignal.abort('enough') });

    await expect(read).rejects.toMatchObject({ code: 'OPERATION_ABORTED', operation: 'readAll', cause: 'enough' });
  });
});
