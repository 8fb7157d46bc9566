import assert from 'node:assert/strict';
import type { TimePlace } from '../../../store/ports/storage-engine.js';
import { area } from '../conformance-case.js';
import { dataOf, numbered, numbers } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';

/** Events that happened at 30, 10, 20, 10 and 40 and arrived in this order; their data say when, and which of two. */
async function lateEvents(log: TestedLog): Promise<void> {
  for (const [streamId, timestamp, data] of [
    ['a', 30, '30'],
    ['b', 10, '10 first'],
    ['a', 20, '20'],
    ['c', 10, '10 second'],
    ['b', 40, '40'],
  ] as const) {
    await log.append(streamId, { timestamp, data, type: `t${timestamp}` });
  }
}

export const timeRanges = area('reading a time range', (it) => {
  it('gives events in the order they happened, ties by global position', async (log) => {
    await lateEvents(log);
    assert.deepEqual(dataOf(await log.timeRange()), ['10 first', '10 second', '20', '30', '40']);
  });

  it('includes both ends', async (log) => {
    await lateEvents(log);
    assert.deepEqual(dataOf(await log.timeRange({ from: 10, to: 20 })), ['10 first', '10 second', '20']);
    assert.deepEqual(dataOf(await log.timeRange({ from: 20, to: 20 })), ['20']);
  });

  it('excludes what lies a millisecond beyond an end', async (log) => {
    await lateEvents(log);
    assert.deepEqual(dataOf(await log.timeRange({ from: 11, to: 29 })), ['20']);
  });

  it('is open to the past without a beginning, and to the future without an end', async (log) => {
    await lateEvents(log);
    assert.deepEqual(dataOf(await log.timeRange({ to: 10 })), ['10 first', '10 second']);
    assert.deepEqual(dataOf(await log.timeRange({ from: 30 })), ['30', '40']);
  });

  it('may hold nothing', async (log) => {
    await lateEvents(log);
    const page = await log.timePage({ from: 21, to: 29 });
    assert.deepEqual([page.events, page.next], [[], undefined]);
  });

  it('gives no more events than the limit', async (log) => {
    await lateEvents(log);
    assert.deepEqual(dataOf(await log.timeRange({ limit: 2 })), ['10 first', '10 second']);
    assert.ok((await log.timePage({ limit: 3 })).events.length <= 3);
  });

  it('page by page gives each event once, also those of one time', async (log) => {
    await lateEvents(log);
    for (const limit of [1, 2, 3]) {
      const found: unknown[] = [];
      let after: TimePlace | undefined;
      do {
        const page = await log.timePage({ limit, after });
        found.push(...dataOf(page.events));
        after = page.next;
      } while (after);
      assert.deepEqual(found, ['10 first', '10 second', '20', '30', '40']);
    }
  });

  it('goes on after a place', async (log) => {
    await lateEvents(log);
    const [first] = await log.timeRange();
    const after = { timestamp: 10, globalPosition: first.globalPosition };
    assert.deepEqual(dataOf(await log.timeRange({ after })), ['10 second', '20', '30', '40']);
  });

  it('leaves out what was recorded after a global position', async (log) => {
    await lateEvents(log);
    const upTo = (await log.log())[2].globalPosition;
    assert.deepEqual(dataOf(await log.timeRange({ upTo })), ['10 first', '20', '30']);
  });

  it('takes a filter', async (log) => {
    await lateEvents(log);
    assert.deepEqual(dataOf(await log.timeRange({ filter: { stream: 'a' } })), ['20', '30']);
    assert.deepEqual(dataOf(await log.timeRange({ filter: { types: ['t10', 't40'] } })), [
      '10 first',
      '10 second',
      '40',
    ]);
    assert.deepEqual(dataOf(await log.timeRange({ filter: { streams: '*', types: ['t1*'] }, limit: 1 })), ['10 first']);
  });

  it('hides the store’s own streams from a filter that does not name them', async (log) => {
    await log.append('$own', { timestamp: 1, data: 'own' });
    await log.append('s', { timestamp: 2, data: 'mine' });
    assert.deepEqual(dataOf(await log.timeRange({ filter: {} })), ['mine']);
    assert.deepEqual(dataOf(await log.timeRange()), ['own', 'mine']);
  });

  it('knows times before 1970', async (log) => {
    for (const timestamp of [5, -5, -10, 0]) await log.append('s', { timestamp, data: timestamp });
    assert.deepEqual(dataOf(await log.timeRange({ from: -10, to: -1 })), [-10, -5]);
    assert.deepEqual(dataOf(await log.timeRange()), [-10, -5, 0, 5]);
  });

  it('knows the first and the last time that a Date can hold', async (log) => {
    for (const timestamp of [8.64e15, 0, -8.64e15]) await log.append('s', { timestamp, data: timestamp });
    assert.deepEqual(dataOf(await log.timeRange()), [-8.64e15, 0, 8.64e15]);
    assert.deepEqual(dataOf(await log.timeRange({ from: -8.64e15, to: -8.64e15 })), [-8.64e15]);
  });

  it('sorts many events that arrive in any order', async (log) => {
    // Steps of 7 919 through 2 000 places meet each place once, in no order.
    const times = numbers(0, 1_999).map((n) => (n * 7_919) % 2_000);
    await log.append(
      's',
      times.map((timestamp) => ({ timestamp, data: timestamp })),
    );
    assert.deepEqual(dataOf(await log.timeRange({ from: 500, to: 1_499 })), numbers(500, 1_499));
  });

  it('finds events by the time of the append when they have no other', async (log) => {
    await log.append('s', numbered(1, 3));
    const [{ recordedAt }] = await log.stream('s');
    const time = recordedAt.getTime();
    assert.deepEqual(dataOf(await log.timeRange({ from: time, to: time })), [1, 2, 3]);
  });
});
