import assert from 'node:assert/strict';
import { compareStreamIds } from '../../../store/values/stream-info.js';
import { area } from '../conformance-case.js';
import { numbered } from '../event-drafts.js';
import { ODD_NAMES } from '../odd-names.js';
import type { TestedLog } from '../tested-log.js';

async function streamsNamed(log: TestedLog, ...names: string[]): Promise<void> {
  for (const name of names) await log.append(name, { data: name });
}

export const listingStreams = area('listing streams', (it) => {
  it('says what is kept of each', async (log) => {
    await log.append('s', [{ timestamp: 30 }, { timestamp: 10 }, { timestamp: 20 }]);
    const [{ streamId, eventCount, firstPosition, lastPosition, firstEvent, lastEvent }] = await log.streams();
    assert.deepEqual([streamId, eventCount, firstPosition, lastPosition], ['s', 3, 1, 3]);
    assert.deepEqual([firstEvent?.getTime(), lastEvent?.getTime()], [30, 20]);
  });

  it('sorts them by name, whatever the order they came in', async (log) => {
    await streamsNamed(log, 'b', 'a', 'c', 'B', 'a1', 'a-', 'A');
    assert.deepEqual(await log.streamIds(), ['A', 'B', 'a', 'a-', 'a1', 'b', 'c']);
  });

  it('sorts them by code point, so that emoji come after the last of the two-byte characters', async (log) => {
    const names = ['z', 'é', 'ß', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{1f600}', '\u{10ffff}'];
    await streamsNamed(log, ...[...names].reverse());
    assert.deepEqual(await log.streamIds(), [
      'z',
      'ß',
      'é',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '\u{10000}',
      '\u{1f600}',
      '\u{10ffff}',
    ]);
    for (const after of names) {
      const expected = [...names].sort(compareStreamIds).filter((name) => compareStreamIds(name, after) > 0);
      assert.deepEqual(await log.streamIds({ after }), expected, after);
    }
  });

  it('gives no more than the limit', async (log) => {
    await streamsNamed(log, 'c', 'a', 'b');
    assert.deepEqual(await log.streamIds({ limit: 2 }), ['a', 'b']);
    assert.deepEqual(await log.streamIds({ limit: 3 }), ['a', 'b', 'c']);
  });

  it('goes on after a name, be it there or not', async (log) => {
    await streamsNamed(log, 'a', 'b', 'd');
    assert.deepEqual(await log.streamIds({ after: 'a' }), ['b', 'd']);
    assert.deepEqual(await log.streamIds({ after: 'c' }), ['d']);
    assert.deepEqual(await log.streamIds({ after: 'd' }), []);
  });

  it('page by page gives each once', async (log) => {
    const names = Array.from({ length: 25 }, (_, index) => `stream-${index}`);
    await streamsNamed(log, ...names);
    const found: string[] = [];
    for (let after = ''; ;) {
      const page = await log.streamIds({ after, limit: 4 });
      if (page.length === 0) break;
      found.push(...page);
      after = page.at(-1)!;
    }
    assert.deepEqual(found, [...names].sort(compareStreamIds));
  });

  it('gives those whose names begin with a prefix', async (log) => {
    await streamsNamed(log, 'order-1', 'order-2', 'orders', 'user-1', 'Order-3', 'order');
    assert.deepEqual(await log.streamIds({ prefix: 'order-' }), ['order-1', 'order-2']);
    assert.deepEqual(await log.streamIds({ prefix: 'order' }), ['order', 'order-1', 'order-2', 'orders']);
    assert.deepEqual(await log.streamIds({ prefix: 'none' }), []);
  });

  it('takes every character of a prefix for itself', async (log) => {
    const names = ['a%1', 'a_1', 'a*1', 'a?1', 'a[1', 'a\\1', "a'1", 'ax1'];
    await streamsNamed(log, ...names);
    for (const name of names) assert.deepEqual(await log.streamIds({ prefix: name.slice(0, 2) }), [name]);
  });

  it('takes a prefix of any characters', async (log) => {
    await streamsNamed(log, '\u{10ffff}', '\u{10ffff}a', '\u{10ffff}\u{10ffff}', '\uffff', '\uffffa', '😀', '😀a');
    for (const prefix of ['\u{10ffff}', '\uffff', '😀', '\u{10ffff}\u{10ffff}']) {
      const expected = (await log.streamIds()).filter((name) => name.startsWith(prefix));
      assert.deepEqual(await log.streamIds({ prefix }), expected, prefix);
    }
  });

  it('heeds prefix, beginning and limit together', async (log) => {
    await streamsNamed(log, 'a', 'order-1', 'order-2', 'order-3', 'z');
    assert.deepEqual(await log.streamIds({ prefix: 'order-', after: 'order-1', limit: 1 }), ['order-2']);
    assert.deepEqual(await log.streamIds({ prefix: 'order-', after: 'b' }), ['order-1', 'order-2', 'order-3']);
    assert.deepEqual(await log.streamIds({ prefix: 'order-', after: 'p' }), []);
  });

  it('hides the store’s own streams, unless the prefix names them', async (log) => {
    await streamsNamed(log, '$own', '$other', 's');
    assert.deepEqual(await log.streamIds(), ['s']);
    assert.deepEqual(await log.streamIds({ prefix: '$' }), ['$other', '$own']);
    assert.deepEqual(await log.streamIds({ prefix: '$ow' }), ['$own']);
    assert.deepEqual(
      (await log.streams({ streamId: '$own' })).map(({ eventCount }) => eventCount),
      [1],
    );
  });

  it('hides nothing whose name has a $ in another place', async (log) => {
    await streamsNamed(log, 'a$', 'a$b');
    assert.deepEqual(await log.streamIds(), ['a$', 'a$b']);
  });

  it('gives the one stream that is asked for', async (log) => {
    await log.append('s', numbered(1, 3));
    await streamsNamed(log, 'other', 'S');
    assert.deepEqual(await log.streamIds({ streamId: 's' }), ['s']);
    assert.deepEqual(await log.streams({ streamId: 'never' }), []);
  });

  it('finds streams of any name', async (log) => {
    await streamsNamed(log, ...ODD_NAMES);
    assert.deepEqual(await log.streamIds(), [...ODD_NAMES].sort(compareStreamIds));
    for (const name of ODD_NAMES) {
      assert.deepEqual(await log.streamIds({ streamId: name }), [name]);
      assert.ok((await log.streamIds({ prefix: name })).includes(name), name);
    }
  });
});

export const usage = area('what is used', (it) => {
  it('counts events and streams', async (log) => {
    await log.append('a', numbered(1, 3));
    await log.append('b', { data: 4 });
    const { events, streams } = await log.usage();
    assert.deepEqual([events, streams], [4, 2]);
  });

  it('counts events of the store’s own streams, but not the streams', async (log) => {
    await log.append('$own', numbered(1, 3));
    await log.append('s', { data: 4 });
    const { events, streams } = await log.usage();
    assert.deepEqual([events, streams], [4, 1]);
  });

  it('is a number of bytes too', async (log) => {
    await log.append('s', numbered(1, 100));
    const { bytes } = await log.usage();
    assert.ok(Number.isFinite(bytes) && bytes >= 0);
  });
});
