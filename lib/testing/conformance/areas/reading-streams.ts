import assert from 'node:assert/strict';
import { Pattern } from '../../../store/values/event-filter.js';
import { area } from '../conformance-case.js';
import { dataOf, numbered, numbers, positionsOf } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';

/** A stream of ten events whose data are 1 to 10, between events of another. */
async function tenEvents(log: TestedLog): Promise<void> {
  await log.append('other', { data: 'other' });
  await log.append('s', numbered(1, 4));
  await log.append('other', { data: 'other' });
  for (let n = 5; n <= 10; n++) await log.append('s', { data: n });
  await log.append('other', { data: 'other' });
}

export const readingStreams = area('reading a stream', (it) => {
  it('gives its events oldest first', async (log) => {
    await tenEvents(log);
    assert.deepEqual(dataOf(await log.stream('s')), numbers(1, 10));
  });

  it('gives every field of an event', async (log) => {
    await log.append('s', { id: 'e', type: 't', data: { a: 1 }, metadata: { b: 2 }, timestamp: 5 });
    const [event] = await log.stream('s');
    const { id, type, data, metadata, streamId, position } = event;
    assert.deepEqual([id, type, data, metadata, streamId, position], ['e', 't', { a: 1 }, { b: 2 }, 's', 1]);
    assert.ok(event.timestamp instanceof Date && event.recordedAt instanceof Date);
    assert.equal(event.timestamp.getTime(), 5);
  });

  it('begins after a position', async (log) => {
    await tenEvents(log);
    for (const after of [1, 4, 9]) assert.deepEqual(dataOf(await log.stream('s', { after })), numbers(after + 1, 10));
    assert.deepEqual(await log.stream('s', { after: 10 }), []);
  });

  it('begins beyond the end with nothing', async (log) => {
    await tenEvents(log);
    const page = await log.streamPage('s', { after: 1_000 });
    assert.deepEqual([page.events, page.revision, page.isEnd], [[], 10, true]);
  });

  it('gives no more events than the limit', async (log) => {
    await tenEvents(log);
    for (const limit of [1, 3, 10, 11]) {
      const { events } = await log.streamPage('s', { limit });
      assert.ok(events.length <= limit, `${events.length} events`);
      assert.deepEqual(dataOf(await log.stream('s', { limit })), numbers(1, Math.min(10, limit)));
    }
  });

  it('gives no events for a limit of 0, but the revision', async (log) => {
    await tenEvents(log);
    const page = await log.streamPage('s', { limit: 0 });
    assert.deepEqual([page.events, page.revision], [[], 10]);
  });

  it('backward gives the newest first', async (log) => {
    await tenEvents(log);
    assert.deepEqual(dataOf(await log.stream('s', { direction: 'backward' })), numbers(10, 1));
  });

  it('backward begins before a position', async (log) => {
    await tenEvents(log);
    assert.deepEqual(dataOf(await log.stream('s', { direction: 'backward', after: 4 })), [3, 2, 1]);
    assert.deepEqual(dataOf(await log.stream('s', { direction: 'backward', after: 11 })), numbers(10, 1));
    assert.deepEqual(await log.stream('s', { direction: 'backward', after: 1 }), []);
  });

  it('backward gives no more events than the limit', async (log) => {
    await tenEvents(log);
    assert.deepEqual(dataOf(await log.stream('s', { direction: 'backward', limit: 3 })), [10, 9, 8]);
    assert.deepEqual(dataOf(await log.stream('s', { direction: 'backward', after: 6, limit: 2 })), [5, 4]);
  });

  it('gives both an end and a beginning to a range', async (log) => {
    await tenEvents(log);
    assert.deepEqual(dataOf(await log.stream('s', { after: 3, limit: 4 })), [4, 5, 6, 7]);
  });

  it('page by page gives each event once, forward and backward', async (log) => {
    await tenEvents(log);
    for (const direction of ['forward', 'backward'] as const) {
      for (const limit of [1, 3, 5]) {
        const found: unknown[] = [];
        let after = direction === 'forward' ? 0 : Infinity;
        for (let isEnd = false; !isEnd;) {
          const page = await log.streamPage('s', { after, limit, direction });
          found.push(...dataOf(page.events));
          ({ position: after, isEnd } = page);
        }
        assert.deepEqual(found, direction === 'forward' ? numbers(1, 10) : numbers(10, 1));
      }
    }
  });

  it('says on every page where the stream ends', async (log) => {
    await tenEvents(log);
    for (const after of [0, 3, 9, 10]) assert.equal((await log.streamPage('s', { after, limit: 2 })).revision, 10);
  });

  it('says after the last event that no more follow, and before it that they do', async (log) => {
    await tenEvents(log);
    const isEnd = async (after: number, limit: number): Promise<boolean> =>
      (await log.streamPage('s', { after, limit })).isEnd;
    assert.deepEqual(
      [await isEnd(7, 2), await isEnd(8, 2), await isEnd(9, 2), await isEnd(10, 2)],
      [false, true, true, true],
    );
  });

  it('says how far it looked', async (log) => {
    await tenEvents(log);
    const page = await log.streamPage('s', { after: 2, limit: 3 });
    assert.equal(page.position, page.events.at(-1)!.position);
  });

  it('gives a new array each time', async (log) => {
    await tenEvents(log);
    const { events } = await log.streamPage('s');
    events.reverse().pop();
    assert.deepEqual(positionsOf(await log.stream('s')), numbers(1, 10));
  });

  it('gives events that no reader can change', async (log) => {
    await log.append('s', { data: { list: [1, { deep: true }] }, metadata: { user: { name: 'ann' } } });
    const [event] = await log.stream('s');
    const data = event.data as { list: { deep: boolean }[] };
    assert.throws(() => (data.list[1].deep = false), TypeError);
    assert.throws(() => data.list.pop(), TypeError);
    assert.throws(() => ((event.metadata.user as { name: string }).name = 'bob'), TypeError);
    assert.throws(() => ((event as { type: string }).type = 'other'), TypeError);
    assert.throws(() => event.recordedAt.setTime(0), TypeError);
  });

  it('knows streams apart whose names are alike', async (log) => {
    const names = ['a', 'A', 'a ', ' a', 'ab', 'a%', 'a_', 'á', 'a\u0301'];
    for (const name of names) await log.append(name, { data: name });
    for (const name of names) assert.deepEqual(dataOf(await log.stream(name)), [name]);
  });

  it('reads a long stream from any place', async (log) => {
    await log.append('s', numbered(1, 3_000));
    for (const after of [0, 999, 1_023, 1_024, 2_997]) {
      assert.deepEqual(
        dataOf(await log.stream('s', { after, limit: 5 })),
        numbers(after + 1, Math.min(3_000, after + 5)),
      );
    }
    assert.deepEqual(dataOf(await log.stream('s', { direction: 'backward', limit: 2_000 })), numbers(3_000, 1_001));
  });
});

export const typeFilters = area('reading events of some types', (it) => {
  const of = (...types: string[]) => ({ types: types.map((type) => new Pattern(type)) });
  const TYPES = ['order.placed', 'order.paid', 'order', 'order.', 'orders.placed', 'Order.placed', 'user.left'];

  async function manyTypes(log: TestedLog): Promise<void> {
    await log.append(
      's',
      TYPES.map((type) => ({ type, data: type })),
    );
  }

  it('gives those of one type', async (log) => {
    await manyTypes(log);
    assert.deepEqual(dataOf(await log.stream('s', of('order.paid'))), ['order.paid']);
  });

  it('gives those of several types, in their order in the stream', async (log) => {
    await manyTypes(log);
    assert.deepEqual(dataOf(await log.stream('s', of('user.left', 'order'))), ['order', 'user.left']);
  });

  it('takes * for any characters, also none', async (log) => {
    await manyTypes(log);
    assert.deepEqual(dataOf(await log.stream('s', of('order.*'))), ['order.placed', 'order.paid', 'order.']);
    assert.deepEqual(dataOf(await log.stream('s', of('*.placed'))), ['order.placed', 'orders.placed', 'Order.placed']);
    assert.deepEqual(dataOf(await log.stream('s', of('*r*.p*d'))), [
      'order.placed',
      'order.paid',
      'orders.placed',
      'Order.placed',
    ]);
    assert.deepEqual(dataOf(await log.stream('s', of('*'))), TYPES);
  });

  it('takes every other character for itself', async (log) => {
    const types = ['a%', 'a_', 'a?', 'a[b]', 'a\\', 'a.c', 'a^', "a'", 'a"', 'axx', 'ab'];
    await log.append(
      's',
      types.map((type) => ({ type, data: type })),
    );
    for (const type of types) assert.deepEqual(dataOf(await log.stream('s', of(type))), [type]);
    assert.deepEqual(dataOf(await log.stream('s', of('a%*'))), ['a%']);
    assert.deepEqual(dataOf(await log.stream('s', of('a_*'))), ['a_']);
    assert.deepEqual(dataOf(await log.stream('s', of('a[b]*'))), ['a[b]']);
    assert.deepEqual(dataOf(await log.stream('s', of('a\\*'))), ['a\\']);
    assert.deepEqual(dataOf(await log.stream('s', of('a?*'))), ['a?']);
  });

  it('knows capital from small letters', async (log) => {
    await manyTypes(log);
    assert.deepEqual(dataOf(await log.stream('s', of('Order.*'))), ['Order.placed']);
  });

  it('gives each event once that several patterns fit', async (log) => {
    await manyTypes(log);
    assert.deepEqual(dataOf(await log.stream('s', of('order.paid', 'order.*', '*paid'))), [
      'order.placed',
      'order.paid',
      'order.',
    ]);
  });

  it('counts to the limit what fits', async (log) => {
    await log.append(
      's',
      numbers(1, 40).map((n) => ({ type: n % 4 === 0 ? 'rare' : 'usual', data: n })),
    );
    assert.deepEqual(dataOf(await log.stream('s', { ...of('rare'), limit: 3 })), [4, 8, 12]);
    assert.deepEqual(dataOf(await log.stream('s', { ...of('rare'), limit: 3, direction: 'backward' })), [40, 36, 32]);
  });

  it('comes to the end of a long stream in which nothing fits', async (log) => {
    await log.append('s', numbered(1, 3_000));
    assert.deepEqual(await log.stream('s', of('none')), []);
    assert.deepEqual(await log.stream('s', { ...of('none'), direction: 'backward' }), []);
  });

  it('finds the last event of a long stream', async (log) => {
    await log.append('s', numbered(1, 3_000));
    await log.append('s', { type: 'rare', data: 'found' });
    assert.deepEqual(dataOf(await log.stream('s', of('rare'))), ['found']);
  });

  it('page by page gives each event once', async (log) => {
    await log.append(
      's',
      numbers(1, 40).map((n) => ({ type: `t${n % 3}`, data: n })),
    );
    const found: unknown[] = [];
    let after = 0;
    for (let isEnd = false; !isEnd;) {
      const page = await log.streamPage('s', { ...of('t1', 't2'), after, limit: 4 });
      found.push(...dataOf(page.events));
      ({ position: after, isEnd } = page);
    }
    assert.deepEqual(
      found,
      numbers(1, 40).filter((n) => n % 3 !== 0),
    );
  });

  it('says where the stream ends, whatever fits', async (log) => {
    await manyTypes(log);
    assert.equal((await log.streamPage('s', of('none'))).revision, TYPES.length);
  });
});
