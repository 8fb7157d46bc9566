import { describe, expect, it } from '@jest/globals';
import { END, type EventStore, START, StreamNotFoundError } from 'nestjs-stream-store';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

async function storeWith(count: number): Promise<EventStore> {
  const store = await openTestStore();
  for (let n = 1; n <= count; n++) {
    await store.append('orders', { type: n % 2 === 0 ? 'even' : 'odd', data: n });
    await store.append('noise', { type: 'even', data: -n });
  }
  return store;
}

describe('readStream', () => {
  it.each<[string, Parameters<EventStore['readStream']>[1], Parameters<EventStore['readStream']>[2], number[]]>([
    ['all events, oldest first', undefined, undefined, [1, 2, 3, 4, 5, 6]],
    ['the events after a position', 4, {}, [5, 6]],
    ['nothing after the last position', 6, {}, []],
    ['nothing after a position beyond the end', 60, {}, []],
    ['the first events up to a limit', 0, { limit: 2 }, [1, 2]],
    ['all events for a limit of 0', 0, { limit: 0 }, [1, 2, 3, 4, 5, 6]],
    ['all events for a negative limit', 0, { limit: -5 }, [1, 2, 3, 4, 5, 6]],
    ['all events after START', START, {}, [1, 2, 3, 4, 5, 6]],
    ['nothing after END', END, {}, []],
    ['all events, newest first', 0, { direction: 'backward' }, [6, 5, 4, 3, 2, 1]],
    ['the newest events up to a limit', 0, { direction: 'backward', limit: 2 }, [6, 5]],
    ['the events before a position, newest first', 4, { direction: 'backward' }, [3, 2, 1]],
    ['the events before a position up to a limit', 4, { direction: 'backward', limit: 2 }, [3, 2]],
    ['nothing before the first position', 1, { direction: 'backward' }, []],
    ['all events before END', END, { direction: 'backward' }, [6, 5, 4, 3, 2, 1]],
    ['all events before a position beyond the end', 60, { direction: 'backward' }, [6, 5, 4, 3, 2, 1]],
    ['events of one type', 0, { types: ['even'] }, [2, 4, 6]],
    ['events of one type up to a limit', 0, { types: ['even'], limit: 2 }, [2, 4]],
    ['events of one type after a position', 2, { types: ['even'] }, [4, 6]],
    ['events of one type, newest first', 0, { types: ['odd'], direction: 'backward' }, [5, 3, 1]],
    ['events of one type before a position', 5, { types: ['odd'], direction: 'backward', limit: 1 }, [3]],
    ['events of several types', 0, { types: ['odd', 'even'], limit: 3 }, [1, 2, 3]],
    ['events whose type fits a pattern', 0, { types: ['*d*'] }, [1, 3, 5]],
    ['nothing of a type that is not there', 0, { types: ['ODD'] }, []],
  ])('gives %s', async (_, fromPosition, options, expected) => {
    const store = await storeWith(6);

    const events = await store.readStream('orders', fromPosition, options);

    expect(dataOf(events)).toEqual(expected);
  });

  it('reads a stream in pages of any size to the same events, in both directions', async () => {
    const store = await storeWith(25);
    for (const limit of [1, 3, 7, 25, 26]) {
      const forward: number[] = [];
      const backward: number[] = [];
      for (let at = 0; ; at = forward.at(-1)!) {
        const page = await store.readStream('orders', at, { limit });
        if (page.length === 0) break;
        forward.push(...page.map(({ position }) => position));
      }
      for (let at = 0; at !== 1; at = backward.at(-1)!) {
        const page = await store.readStream('orders', at, { limit, direction: 'backward' });
        backward.push(...page.map(({ position }) => position));
      }
      expect(forward).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
      expect(backward).toEqual([...forward].reverse());
    }
  });

  it('rejects for a stream that never was, in both directions', async () => {
    const store = await storeWith(1);

    await expect(store.readStream('nobody')).rejects.toBeInstanceOf(StreamNotFoundError);
    await expect(store.readStream('nobody', 0, { direction: 'backward' })).rejects.toBeInstanceOf(StreamNotFoundError);
  });

  it('gives an empty array for a stream that retention emptied', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1m' });
    await store.append('orders', numbered(1, 3));
    clock.jump(60_001);

    expect(await store.readStream('orders')).toEqual([]);
    expect(await store.readStream('orders', 0, { direction: 'backward' })).toEqual([]);
    await store.sweep();
    expect(await store.readStream('orders')).toEqual([]);
    expect(await store.readStream('orders', 0, { direction: 'backward', types: ['counted'] })).toEqual([]);
  });

  it('gives the same objects to every reader, which cost nothing more', async () => {
    const store = await storeWith(2);

    const [first] = await store.readStream('orders');
    const [again] = await store.readStream('orders');

    expect(again).toBe(first);
  });

  it('can be aborted', async () => {
    const store = await storeWith(2);

    const read = store.readStream('orders', 0, { signal: AbortSignal.abort('enough') });

    await expect(read).rejects.toMatchObject({ code: 'OPERATION_ABORTED', operation: 'readStream', cause: 'enough' });
  });
});
