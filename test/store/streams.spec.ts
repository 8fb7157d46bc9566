import { describe, expect, it } from '@jest/globals';
import { compareStreamIds, type EventStore, StreamNotFoundError } from 'nestjs-stream-store';
import fc from 'fast-check';
import { numbered } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { anyText } from '../support/texts.js';

async function storeOf(...streamIds: string[]): Promise<EventStore> {
  const store = await openTestStore();
  for (const streamId of streamIds) await store.append(streamId, { type: 't' });
  return store;
}

const idsOf = (infos: readonly { streamId: string }[]): string[] => infos.map(({ streamId }) => streamId);

describe('getStreams', () => {
  it('lists the streams sorted by id, in whatever order they were made', async () => {
    const store = await storeOf('b', 'a', 'c', 'B', 'a-1', 'a1', 'é', '10', '9');

    expect(idsOf(await store.getStreams())).toEqual(['10', '9', 'B', 'a', 'a-1', 'a1', 'b', 'c', 'é']);
  });

  it('sorts by code point, so that characters beyond U+FFFF come last', async () => {
    const store = await storeOf('🚀', '\uff5e', '\ue000', 'z', '\ud7ff', 'x🚀', 'x\uff5e');

    expect(idsOf(await store.getStreams())).toEqual(['x\uff5e', 'x🚀', 'z', '\ud7ff', '\ue000', '\uff5e', '🚀']);
  });

  it('sorts as UTF-8 bytes sort', () => {
    const name = anyText({ minLength: 1 });
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(Math.sign(compareStreamIds(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('tells of each stream what it holds', async () => {
    const store = await openTestStore();
    await store.append('a', [
      { type: 't', timestamp: '2024-01-01T00:00:00Z' },
      { type: 't', timestamp: '2024-01-03T00:00:00Z' },
      { type: 't', timestamp: '2024-01-02T00:00:00Z' },
    ]);

    expect(await store.getStreams()).toEqual([
      {
        streamId: 'a',
        eventCount: 3,
        firstEvent: new Date('2024-01-01T00:00:00Z'),
        lastEvent: new Date('2024-01-02T00:00:00Z'),
        firstPosition: 1,
        lastPosition: 3,
      },
    ]);
  });

  it('lists those whose id begins with a prefix, taken literally', async () => {
    const store = await storeOf('order-1', 'order-2', 'orders', 'Order-3', 'customer-order-1', 'order*', 'order-*');

    expect(idsOf(await store.getStreams({ prefix: 'order-' }))).toEqual(['order-*', 'order-1', 'order-2']);
    expect(idsOf(await store.getStreams({ prefix: 'order*' }))).toEqual(['order*']);
    expect(idsOf(await store.getStreams({ prefix: 'nothing' }))).toEqual([]);
    expect(await store.getStreams({ prefix: '' })).toHaveLength(7);
  });

  it('pages with limit and after', async () => {
    const store = await storeOf(...Array.from({ length: 25 }, (_, index) => `s${index}`));
    const all = idsOf(await store.getStreams());
    const paged: string[] = [];
    for (;;) {
      const page = idsOf(await store.getStreams({ limit: 7, after: paged.at(-1) }));
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(7);
      paged.push(...page);
    }

    expect(paged).toEqual(all);
  });

  it('goes on after a stream that is not there, and combines prefix, after and limit', async () => {
    const store = await storeOf('a-1', 'a-2', 'a-3', 'b-1');

    expect(idsOf(await store.getStreams({ after: 'a-15' }))).toEqual(['a-2', 'a-3', 'b-1']);
    expect(idsOf(await store.getStreams({ prefix: 'a-', after: 'a-1', limit: 1 }))).toEqual(['a-2']);
    expect(idsOf(await store.getStreams({ prefix: 'a-', after: 'a-3' }))).toEqual([]);
    expect(idsOf(await store.getStreams({ prefix: 'b-', after: 'a-3' }))).toEqual(['b-1']);
  });

  it('lists all for a limit of 0', async () => {
    const store = await storeOf('a', 'b', 'c');

    expect(idsOf(await store.getStreams({ limit: 0 }))).toEqual(['a', 'b', 'c']);
  });

  it('lists a stream made after the last call', async () => {
    const store = await storeOf('b');
    const before = await store.getStreams();
    await store.append('a', { type: 't' });

    expect(idsOf(before)).toEqual(['b']);
    expect(idsOf(await store.getStreams())).toEqual(['a', 'b']);
  });

  it('gives nothing of an empty store', async () => {
    const store = await openTestStore();

    expect(await store.getStreams()).toEqual([]);
  });
});

describe('getStreamInfo', () => {
  it('tells what is kept of one stream', async () => {
    const store = await openTestStore();
    await store.append('other', numbered(1, 9));
    await store.append('orders', [
      { type: 't', timestamp: '2024-01-01T00:00:00Z' },
      { type: 't', timestamp: '2024-01-02T00:00:00Z' },
    ]);

    expect(await store.getStreamInfo('orders')).toEqual({
      streamId: 'orders',
      eventCount: 2,
      firstEvent: new Date('2024-01-01T00:00:00Z'),
      lastEvent: new Date('2024-01-02T00:00:00Z'),
      firstPosition: 1,
      lastPosition: 2,
    });
  });

  it('rejects for a stream that never was', async () => {
    const store = await storeOf('orders');

    const info = store.getStreamInfo('order');

    await expect(info).rejects.toBeInstanceOf(StreamNotFoundError);
    await expect(info).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND', streamId: 'order' });
  });

  it('does not take names that every object has for streams', async () => {
    const store = await openTestStore();

    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      await expect(store.getStreamInfo(name)).rejects.toBeInstanceOf(StreamNotFoundError);
    }
  });
});
