import assert from 'node:assert/strict';
import { area } from '../conformance-case.js';
import { dataOf, numbered, numbers } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';

/** Twelve events in turn in the streams s0, s1 and s2, of the types t0 to t3. */
async function twelveEvents(log: TestedLog): Promise<void> {
  for (let n = 1; n <= 12; n++) await log.append(`s${n % 3}`, { type: `t${n % 4}`, data: n });
}

export const readingTheLog = area('reading the whole log', (it) => {
  it('gives the events of all streams in the order they were recorded', async (log) => {
    await twelveEvents(log);
    assert.deepEqual(dataOf(await log.log()), numbers(1, 12));
  });

  it('begins after a global position', async (log) => {
    await twelveEvents(log);
    const events = await log.log();
    const after = events[4].globalPosition;
    assert.deepEqual(dataOf(await log.log({ after })), numbers(6, 12));
    assert.deepEqual(await log.log({ after: events[11].globalPosition }), []);
  });

  it('begins beyond the end with nothing', async (log) => {
    await twelveEvents(log);
    const page = await log.logPage({ after: 1_000_000 });
    assert.deepEqual([page.events, page.isEnd], [[], true]);
  });

  it('gives no more events than the limit', async (log) => {
    await twelveEvents(log);
    for (const limit of [1, 5, 12, 13]) {
      assert.ok((await log.logPage({ limit })).events.length <= limit);
      assert.deepEqual(dataOf(await log.log({ limit })), numbers(1, Math.min(12, limit)));
    }
  });

  it('gives no events for a limit of 0, but the head of the log', async (log) => {
    await twelveEvents(log);
    const { globalPosition } = await log.append('last', { data: 13 });
    const page = await log.logPage({ limit: 0 });
    assert.deepEqual([page.events, page.head], [[], globalPosition]);
  });

  it('backward gives the newest first', async (log) => {
    await twelveEvents(log);
    assert.deepEqual(dataOf(await log.log({ direction: 'backward' })), numbers(12, 1));
    assert.deepEqual(dataOf(await log.log({ direction: 'backward', limit: 2 })), [12, 11]);
  });

  it('backward begins before a global position', async (log) => {
    await twelveEvents(log);
    const after = (await log.log())[4].globalPosition;
    assert.deepEqual(dataOf(await log.log({ direction: 'backward', after })), [4, 3, 2, 1]);
  });

  it('page by page gives each event once, forward and backward', async (log) => {
    await twelveEvents(log);
    for (const direction of ['forward', 'backward'] as const) {
      for (const limit of [1, 5]) {
        const found: unknown[] = [];
        let after = direction === 'forward' ? 0 : Infinity;
        for (let isEnd = false; !isEnd;) {
          const page = await log.logPage({ after, limit, direction });
          found.push(...dataOf(page.events));
          ({ globalPosition: after, isEnd } = page);
        }
        assert.deepEqual(found, direction === 'forward' ? numbers(1, 12) : numbers(12, 1));
      }
    }
  });

  it('says on every page where the log ends', async (log) => {
    await twelveEvents(log);
    const { globalPosition } = await log.append('last', { data: 13 });
    for (const after of [0, 3, globalPosition])
      assert.equal((await log.logPage({ after, limit: 2 })).head, globalPosition);
  });

  it('says after the last event that no more follow, and before it that they do', async (log) => {
    await twelveEvents(log);
    const places = (await log.log()).map(({ globalPosition }) => globalPosition);
    assert.equal((await log.logPage({ after: places[8], limit: 2 })).isEnd, false);
    assert.equal((await log.logPage({ after: places[9], limit: 2 })).isEnd, true);
  });

  it('goes on with what was appended since', async (log) => {
    await twelveEvents(log);
    const { globalPosition: after } = await log.logPage();
    await log.append('new', numbered(13, 14));
    assert.deepEqual(dataOf(await log.log({ after })), [13, 14]);
  });

  it('gives the store’s own streams to whoever has no filter', async (log) => {
    await log.append('$own', { data: 1 });
    await log.append('s', { data: 2 });
    assert.deepEqual(dataOf(await log.log()), [1, 2]);
  });

  it('gives a new array each time', async (log) => {
    await twelveEvents(log);
    (await log.logPage()).events.reverse().pop();
    assert.deepEqual(dataOf(await log.log()), numbers(1, 12));
  });

  it('never shows an event while one with a smaller global position can still appear', async (log) => {
    let isWriting = true;
    const writing = Promise.all(
      numbers(1, 8).map(async (writer) => {
        for (let n = 0; n < 12; n++) await log.append(`s${writer}`, numbered(1, 1 + (n % 3)));
      }),
    ).finally(() => (isWriting = false));
    const seen: number[] = [];
    for (let after = 0, isEnd = false; isWriting || !isEnd;) {
      const page = await log.logPage({ after, limit: 7 });
      seen.push(...page.events.map(({ globalPosition }) => globalPosition));
      ({ globalPosition: after, isEnd } = page);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writing;
    const kept = (await log.log()).map(({ globalPosition }) => globalPosition);
    assert.deepEqual(
      seen.concat((await log.log({ after: seen.at(-1) ?? 0 })).map((event) => event.globalPosition)),
      kept,
    );
  });
});

export const logFilters = area('reading the log through a filter', (it) => {
  it('gives the events of one stream', async (log) => {
    await twelveEvents(log);
    assert.deepEqual(dataOf(await log.log({ filter: { stream: 's1' } })), [1, 4, 7, 10]);
  });

  it('gives nothing of a stream that never was', async (log) => {
    await twelveEvents(log);
    assert.deepEqual(await log.log({ filter: { stream: 'never' } }), []);
  });

  it('gives the events of streams that fit a pattern', async (log) => {
    for (const [index, streamId] of ['order-1', 'user-1', 'order-2', 'order', 'Order-3'].entries()) {
      await log.append(streamId, { data: index });
    }
    assert.deepEqual(dataOf(await log.log({ filter: { streams: 'order-*' } })), [0, 2]);
    assert.deepEqual(dataOf(await log.log({ filter: { streams: '*-1' } })), [0, 1]);
    assert.deepEqual(dataOf(await log.log({ filter: { streams: '*' } })), [0, 1, 2, 3, 4]);
    assert.deepEqual(dataOf(await log.log({ filter: { streams: 'order' } })), [3]);
  });

  it('takes every character of a pattern but * for itself', async (log) => {
    const names = ['a%1', 'a_1', 'a?1', 'a[1]1', 'a\\1', "a'1", 'axx1'];
    for (const name of names) await log.append(name, { data: name });
    for (const name of names.slice(0, -1)) {
      assert.deepEqual(dataOf(await log.log({ filter: { streams: `${name.slice(0, -1)}*` } })), [name]);
    }
  });

  it('gives the events of some types', async (log) => {
    await twelveEvents(log);
    assert.deepEqual(dataOf(await log.log({ filter: { types: ['t1'] } })), [1, 5, 9]);
    assert.deepEqual(dataOf(await log.log({ filter: { types: ['t1', 't2'] } })), [1, 2, 5, 6, 9, 10]);
    assert.deepEqual(dataOf(await log.log({ filter: { types: ['t*'] } })), numbers(1, 12));
  });

  it('gives what meets all conditions', async (log) => {
    await twelveEvents(log);
    assert.deepEqual(dataOf(await log.log({ filter: { stream: 's1', types: ['t1', 't3'] } })), [1, 7]);
    assert.deepEqual(dataOf(await log.log({ filter: { streams: 's*', types: ['t0'] } })), [4, 8, 12]);
    assert.deepEqual(dataOf(await log.log({ filter: { stream: 's1', streams: 's2' } })), []);
  });

  it('hides the store’s own streams from an empty filter and from patterns', async (log) => {
    await log.append('$own', { data: 1, type: 't' });
    await log.append('s', { data: 2, type: 't' });
    for (const filter of [{}, { streams: '*' }, { types: ['t'] }, { streams: '*o*', types: ['*'] }]) {
      assert.ok(!dataOf(await log.log({ filter })).includes(1), JSON.stringify(filter));
    }
  });

  it('shows the store’s own streams to whoever names them', async (log) => {
    await log.append('$own', { data: 1 });
    await log.append('s', { data: 2 });
    assert.deepEqual(dataOf(await log.log({ filter: { stream: '$own' } })), [1]);
    assert.deepEqual(dataOf(await log.log({ filter: { streams: '$*' } })), [1]);
  });

  it('backward gives the newest first, up to the limit', async (log) => {
    await twelveEvents(log);
    assert.deepEqual(dataOf(await log.log({ filter: { types: ['t1'] }, direction: 'backward', limit: 2 })), [9, 5]);
    assert.deepEqual(dataOf(await log.log({ filter: { stream: 's1' }, direction: 'backward' })), [10, 7, 4, 1]);
  });

  it('counts to the limit what fits', async (log) => {
    await twelveEvents(log);
    assert.deepEqual(dataOf(await log.log({ filter: { types: ['t3'] }, limit: 2 })), [3, 7]);
  });

  it('page by page gives each event once', async (log) => {
    await twelveEvents(log);
    const found: unknown[] = [];
    let after = 0;
    for (let isEnd = false; !isEnd;) {
      const page = await log.logPage({ after, limit: 1, filter: { streams: 's*', types: ['t1', 't2'] } });
      found.push(...dataOf(page.events));
      ({ globalPosition: after, isEnd } = page);
    }
    assert.deepEqual(found, [1, 2, 5, 6, 9, 10]);
  });

  it('comes to the end of a long log in which nothing fits', async (log) => {
    await log.append('s', numbered(1, 3_000));
    assert.deepEqual(await log.log({ filter: { types: ['none'] } }), []);
    assert.deepEqual(await log.log({ filter: { streams: 'none-*' }, direction: 'backward' }), []);
  });

  it('says where the log ends, whatever fits', async (log) => {
    await twelveEvents(log);
    const { globalPosition } = await log.append('last', { data: 13 });
    assert.equal((await log.logPage({ filter: { types: ['none'] } })).head, globalPosition);
  });
});
