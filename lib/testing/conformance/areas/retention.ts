import assert from 'node:assert/strict';
import { area } from '../conformance-case.js';
import { dataOf, numbered, numbers } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';

/**
 * Streams `a`, `b` and `old` with events 1 to 4, and streams `a` and `new` with events 5 to 8, recorded later.
 *
 * @returns the `recordedSince` with which the first four have expired
 */
async function twoAges(log: TestedLog): Promise<number> {
  await log.append('a', numbered(1, 2));
  await log.append('b', { data: 3 });
  await log.append('old', { data: 4 });
  await log.later();
  await log.append('a', numbered(5, 6));
  await log.append('new', numbered(7, 8));
  const events = await log.log();
  assert.ok(events[3].recordedAt < events[4].recordedAt, 'time stood still between two appends');
  return events[4].recordedAt.getTime();
}

export const retention = area('what has expired', (it) => {
  it('is not in its stream any more', async (log) => {
    const recordedSince = await twoAges(log);
    assert.deepEqual(dataOf(await log.stream('a', { recordedSince })), [5, 6]);
    assert.deepEqual(dataOf(await log.stream('a', { recordedSince, direction: 'backward' })), [6, 5]);
    assert.deepEqual(dataOf(await log.stream('a', { recordedSince, after: 1, limit: 1 })), [5]);
    assert.deepEqual(await log.stream('b', { recordedSince }), []);
  });

  it('leaves its stream the revision', async (log) => {
    const recordedSince = await twoAges(log);
    assert.equal((await log.streamPage('a', { recordedSince })).revision, 4);
    assert.equal((await log.streamPage('b', { recordedSince })).revision, 1);
  });

  it('is said to lie before the stream’s first event', async (log) => {
    const recordedSince = await twoAges(log);
    assert.equal((await log.streamPage('a')).trimmedTo, 0);
    assert.equal((await log.streamPage('a', { recordedSince })).trimmedTo, 2);
    assert.equal((await log.streamPage('b', { recordedSince })).trimmedTo, 1);
    assert.equal((await log.streamPage('new', { recordedSince })).trimmedTo, 0);
  });

  it('is not in the log any more', async (log) => {
    const recordedSince = await twoAges(log);
    assert.deepEqual(dataOf(await log.log({ recordedSince })), numbers(5, 8));
    assert.deepEqual(dataOf(await log.log({ recordedSince, direction: 'backward' })), numbers(8, 5));
    assert.deepEqual(dataOf(await log.log({ recordedSince, filter: { stream: 'a' } })), [5, 6]);
    assert.deepEqual(dataOf(await log.log({ recordedSince, after: 1, limit: 2 })), [5, 6]);
  });

  it('is said to lie before the log’s first event', async (log) => {
    const recordedSince = await twoAges(log);
    const places = (await log.log()).map(({ globalPosition }) => globalPosition);
    assert.equal((await log.logPage()).trimmedTo, 0);
    const page = await log.logPage({ recordedSince });
    assert.deepEqual([page.trimmedTo, page.head], [places[3], places[7]]);
  });

  it('is not in a time range any more', async (log) => {
    const recordedSince = await twoAges(log);
    assert.deepEqual(dataOf(await log.timeRange({ recordedSince })), numbers(5, 8));
  });

  it('goes by when it was recorded, not by when it happened', async (log) => {
    await log.append('s', { data: 'recorded first', timestamp: 9e12 });
    await log.later();
    await log.append('s', { data: 'recorded last', timestamp: 0 });
    const recordedSince = (await log.log())[1].recordedAt.getTime();
    assert.deepEqual(dataOf(await log.timeRange({ recordedSince })), ['recorded last']);
    assert.deepEqual(dataOf(await log.stream('s', { recordedSince })), ['recorded last']);
  });

  it('leaves a stream unlisted when nothing else is in it', async (log) => {
    const recordedSince = await twoAges(log);
    assert.deepEqual(await log.streamIds({ recordedSince }), ['a', 'new']);
    assert.deepEqual(await log.streamIds(), ['a', 'b', 'new', 'old']);
  });

  it('is not counted among the events of a stream', async (log) => {
    const recordedSince = await twoAges(log);
    const [a] = await log.streams({ recordedSince });
    assert.deepEqual([a.eventCount, a.firstPosition, a.lastPosition], [2, 3, 4]);
    const [b] = await log.streams({ recordedSince, streamId: 'b' });
    assert.deepEqual([b.eventCount, b.firstPosition, b.lastPosition, b.firstEvent, b.lastEvent], [0, 2, 1, null, null]);
  });

  it('is not counted as used', async (log) => {
    const recordedSince = await twoAges(log);
    const { events, streams } = await log.usage(recordedSince);
    assert.deepEqual([events, streams], [4, 2]);
  });

  it('is everything recorded before a time, and nothing recorded at it', async (log) => {
    await twoAges(log);
    const events = await log.log();
    for (const time of events.flatMap(({ recordedAt }) => [recordedAt.getTime(), recordedAt.getTime() + 1])) {
      const kept = events.filter(({ recordedAt }) => recordedAt.getTime() >= time);
      assert.deepEqual(dataOf(await log.log({ recordedSince: time })), dataOf(kept));
    }
  });

  it('may be everything', async (log) => {
    await twoAges(log);
    const page = await log.logPage({ recordedSince: Infinity });
    assert.deepEqual([page.events, page.trimmedTo, page.isEnd], [[], page.head, true]);
    assert.deepEqual(await log.streams({ recordedSince: Infinity }), []);
    assert.equal((await log.usage(Infinity)).events, 0);
  });
});

export const trimming = area('trimming', (it) => {
  it('removes what was recorded before a time, and says how much', async (log) => {
    const recordedBefore = await twoAges(log);
    assert.equal(await log.trim({ recordedBefore }), 4);
    assert.deepEqual(dataOf(await log.log()), numbers(5, 8));
  });

  it('keeps what was recorded at that time', async (log) => {
    const recordedBefore = await twoAges(log);
    await log.trim({ recordedBefore });
    assert.equal(await log.trim({ recordedBefore }), 0);
    const last = (await log.log())[3].recordedAt.getTime();
    assert.equal(await log.trim({ recordedBefore: last + 1 }), 4);
  });

  it('removes the oldest first, no more than the limit', async (log) => {
    await twoAges(log);
    assert.equal(await log.trim({ limit: 3 }), 3);
    assert.deepEqual(dataOf(await log.log()), numbers(4, 8));
    assert.equal(await log.trim({ limit: 2 }), 2);
    assert.deepEqual(dataOf(await log.log()), numbers(6, 8));
  });

  it('removes nothing for a limit of 0', async (log) => {
    await twoAges(log);
    assert.equal(await log.trim({ limit: 0 }), 0);
  });

  it('removes nothing after a global position', async (log) => {
    await twoAges(log);
    const upTo = (await log.log())[2].globalPosition;
    assert.equal(await log.trim({ upTo }), 3);
    assert.deepEqual(dataOf(await log.log()), numbers(4, 8));
    assert.equal(await log.trim({ upTo }), 0);
  });

  it('heeds time, place and limit together', async (log) => {
    const recordedBefore = await twoAges(log);
    const upTo = (await log.log())[6].globalPosition;
    assert.equal(await log.trim({ recordedBefore, upTo, limit: 100 }), 4);
    assert.equal(await log.trim({ upTo, limit: 2 }), 2);
    assert.deepEqual(dataOf(await log.log()), [7, 8]);
  });

  it('lets positions go on', async (log) => {
    await twoAges(log);
    await log.trim();
    assert.equal((await log.append('a', { data: 9 })).firstPosition, 5);
    assert.equal((await log.append('old', { data: 10 })).firstPosition, 2);
  });

  it('lets global positions go on, also when nothing is left', async (log) => {
    await twoAges(log);
    const { head } = await log.logPage();
    await log.trim();
    assert.equal((await log.logPage()).head, head);
    assert.ok((await log.append('a', { data: 9 })).globalPosition > head);
  });

  it('lets recording times go on, also when nothing is left', async (log) => {
    await log.append('s', { data: 1 });
    const [{ recordedAt }] = await log.log();
    await log.trim();
    log.clock.adjust(-3_600_000);
    await log.append('s', { data: 2 });
    assert.ok((await log.log())[0].recordedAt >= recordedAt);
  });

  it('says in its stream and in the log what is missing', async (log) => {
    const recordedBefore = await twoAges(log);
    const places = (await log.log()).map(({ globalPosition }) => globalPosition);
    await log.trim({ recordedBefore });
    assert.equal((await log.logPage()).trimmedTo, places[3]);
    assert.equal((await log.streamPage('a')).trimmedTo, 2);
    assert.equal((await log.streamPage('b')).trimmedTo, 1);
    assert.equal((await log.streamPage('new')).trimmedTo, 0);
  });

  it('lets readers go on behind it', async (log) => {
    const recordedBefore = await twoAges(log);
    await log.trim({ recordedBefore });
    assert.deepEqual(dataOf(await log.stream('a', { after: 0 })), [5, 6]);
    assert.deepEqual(dataOf(await log.stream('a', { after: 3 })), [6]);
    assert.deepEqual(dataOf(await log.stream('a', { direction: 'backward' })), [6, 5]);
    assert.deepEqual(dataOf(await log.log({ after: 1, limit: 2 })), [5, 6]);
  });

  it('leaves the time range without the removed events', async (log) => {
    const recordedBefore = await twoAges(log);
    await log.trim({ recordedBefore });
    assert.deepEqual(dataOf(await log.timeRange()), numbers(5, 8));
  });

  it('takes an emptied stream from the list, but not its revision', async (log) => {
    const recordedBefore = await twoAges(log);
    await log.trim({ recordedBefore });
    assert.deepEqual(await log.streamIds(), ['a', 'new']);
    assert.equal((await log.streamPage('old')).revision, 1);
  });

  it('leaves an emptied stream known by its name', async (log) => {
    await log.append('s', numbered(1, 3));
    await log.trim();
    const [info] = await log.streams({ streamId: 's' });
    const { eventCount, firstEvent, lastEvent, firstPosition, lastPosition } = info;
    assert.deepEqual([eventCount, firstEvent, lastEvent, firstPosition, lastPosition], [0, null, null, 4, 3]);
  });

  it('lists an emptied stream again when something is appended', async (log) => {
    await log.append('s', numbered(1, 3));
    await log.trim();
    await log.append('s', { data: 4 });
    const [info] = await log.streams();
    assert.deepEqual([info.streamId, info.eventCount, info.firstPosition, info.lastPosition], ['s', 1, 4, 4]);
  });

  it('tells what is used', async (log) => {
    const recordedBefore = await twoAges(log);
    await log.trim({ recordedBefore });
    const { events, streams } = await log.usage();
    assert.deepEqual([events, streams], [4, 2]);
  });

  it('removes from the store’s own streams too', async (log) => {
    await log.append('$own', { data: 1 });
    await log.append('s', { data: 2 });
    assert.equal(await log.trim({ limit: 1 }), 1);
    assert.deepEqual(dataOf(await log.log()), [2]);
  });

  it('goes on beside appends and reads', async (log) => {
    await log.append('s', numbered(1, 60));
    const appending = (async () => {
      for (let n = 61; n <= 90; n++) await log.append('s', { data: n });
    })();
    let removed = 0;
    while (removed < 60) removed += await log.trim({ limit: Math.min(7, 60 - removed) });
    await appending;
    assert.deepEqual(dataOf(await log.stream('s')), numbers(61, 90));
  });

  it('removes each event once when two come together', async (log) => {
    await log.append('s', numbered(1, 50));
    const removed = await Promise.all(numbers(1, 4).map(() => log.trim({ limit: 10 })));
    const total = removed.reduce((sum, each) => sum + each, 0);
    assert.deepEqual(dataOf(await log.stream('s')), numbers(total + 1, 50));
  });
});
