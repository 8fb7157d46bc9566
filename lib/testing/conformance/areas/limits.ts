import assert from 'node:assert/strict';
import { StreamLimitReachedError } from '../../../store/values/errors.js';
import { area } from '../conformance-case.js';
import { dataOf, numbered, numbers } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';

/** Checks that an append is refused because of a limit, and that nothing was kept. */
async function assertFull(
  log: TestedLog,
  limit: 'maxEventsPerStream' | 'maxStreams',
  maximum: number,
  streamId: string,
  count = 1,
): Promise<void> {
  const { revision } = await log.streamPage(streamId);
  await assert.rejects(log.append(streamId, numbered(1, count)), (error) => {
    assert.ok(error instanceof StreamLimitReachedError, String(error));
    assert.deepEqual([error.limit, error.maximum, error.streamId], [limit, maximum, streamId]);
    return true;
  });
  assert.equal((await log.streamPage(streamId)).revision, revision);
}

/** When the event after the first `expired` was recorded: with this as `recordedSince`, the first ones have expired. */
async function timeAfter(log: TestedLog, expired: number): Promise<number> {
  return (await log.log())[expired].recordedAt.getTime();
}

export const limits = area('limits', (it) => {
  it('let a stream become as long as they say', { maxEventsPerStream: 3 }, async (log) => {
    for (let n = 1; n <= 3; n++) await log.append('s', { data: n });
    await assertFull(log, 'maxEventsPerStream', 3, 's');
  });

  it('let a batch fill a stream exactly', { maxEventsPerStream: 3 }, async (log) => {
    await log.append('s', numbered(1, 3));
    await assertFull(log, 'maxEventsPerStream', 3, 's');
  });

  it('refuse a batch as a whole that goes over them', { maxEventsPerStream: 3 }, async (log) => {
    await log.append('s', numbered(1, 2));
    await assertFull(log, 'maxEventsPerStream', 3, 's', 2);
    await log.append('s', { data: 3 });
  });

  it('refuse a batch that is too long by itself, and make no stream of it', { maxEventsPerStream: 3 }, async (log) => {
    await assertFull(log, 'maxEventsPerStream', 3, 's', 4);
    assert.deepEqual(await log.streams({ streamId: 's' }), []);
  });

  it('hold for each stream by itself', { maxEventsPerStream: 2 }, async (log) => {
    await log.append('a', numbered(1, 2));
    await log.append('b', numbered(1, 2));
    await assertFull(log, 'maxEventsPerStream', 2, 'a');
  });

  it('let an empty batch pass', { maxEventsPerStream: 1, maxStreams: 1 }, async (log) => {
    await log.append('s', { data: 1 });
    assert.equal((await log.append('s', [])).firstPosition, 2);
    assert.equal((await log.append('new', [])).firstPosition, 1);
  });

  it('of events do not hold for the store’s own streams', { maxEventsPerStream: 1 }, async (log) => {
    await log.append('$own', numbered(1, 5));
    assert.equal((await log.stream('$own')).length, 5);
  });

  it('of events count no event that was trimmed', { maxEventsPerStream: 3 }, async (log) => {
    await log.append('s', numbered(1, 3));
    assert.equal(await log.trim({ limit: 2 }), 2);
    await log.append('s', numbered(4, 5));
    await assertFull(log, 'maxEventsPerStream', 3, 's');
  });

  it('of events count no event that has expired', { maxEventsPerStream: 3 }, async (log) => {
    await log.append('s', numbered(1, 2));
    await log.later();
    await log.append('s', { data: 3 });
    const since = await timeAfter(log, 2);
    await log.append('s', numbered(4, 5), 'any', since);
    await assert.rejects(log.append('s', { data: 6 }, 'any', since), StreamLimitReachedError);
  });

  it('of events hold for appends that come together', { maxEventsPerStream: 5 }, async (log) => {
    const outcomes = await Promise.allSettled(numbers(1, 10).map((n) => log.append('s', { data: n })));
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5);
    assert.equal((await log.stream('s')).length, 5);
  });

  it('let as many streams hold events as they say', { maxStreams: 2 }, async (log) => {
    await log.append('a', { data: 1 });
    await log.append('b', { data: 1 });
    await assertFull(log, 'maxStreams', 2, 'c');
    assert.deepEqual(await log.streamIds(), ['a', 'b']);
  });

  it('of streams let those go on that hold events', { maxStreams: 2 }, async (log) => {
    await log.append('a', { data: 1 });
    await log.append('b', { data: 1 });
    await log.append('a', { data: 2 });
    assert.deepEqual(dataOf(await log.stream('a')), [1, 2]);
  });

  it('of streams do not count the store’s own, nor hold for them', { maxStreams: 1 }, async (log) => {
    await log.append('$own', { data: 1 });
    await log.append('a', { data: 1 });
    await log.append('$other', { data: 1 });
    await assertFull(log, 'maxStreams', 1, 'b');
  });

  it('of streams count no stream that a trim emptied', { maxStreams: 1 }, async (log) => {
    await log.append('a', { data: 1 });
    await log.trim();
    await log.append('b', { data: 1 });
    await assertFull(log, 'maxStreams', 1, 'a');
  });

  it('of streams count no stream whose events have all expired', { maxStreams: 2 }, async (log) => {
    await log.append('a', { data: 1 });
    await log.later();
    await log.append('b', { data: 1 });
    const since = await timeAfter(log, 1);
    await log.append('c', { data: 1 }, 'any', since);
    await assert.rejects(log.append('d', { data: 1 }, 'any', since), StreamLimitReachedError);
    await assert.rejects(log.append('a', { data: 2 }, 'any', since), StreamLimitReachedError);
    await log.append('b', { data: 2 }, 'any', since);
  });

  it('of streams hold for appends that come together', { maxStreams: 3 }, async (log) => {
    const outcomes = await Promise.allSettled(numbers(1, 10).map((n) => log.append(`s-${n}`, { data: n })));
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 3);
    assert.equal((await log.streams()).length, 3);
  });

  it('leave the rest of what comes together alone', { maxEventsPerStream: 2 }, async (log) => {
    const outcomes = await Promise.allSettled([
      log.append('a', numbered(1, 3)),
      log.append('b', numbered(1, 2)),
      log.append('a', numbered(1, 2)),
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled', 'fulfilled'],
    );
  });
});
