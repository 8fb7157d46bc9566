import assert from 'node:assert/strict';
import { StreamLimitReachedError, WrongExpectedRevisionError } from '../../../store/values/errors.js';
import { ANY, type ExpectedRevision, NO_STREAM, STREAM_EXISTS } from '../../../store/values/expected-revision.js';
import { area } from '../conformance-case.js';
import { dataOf, numbered, numbers } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';

/** Appends one event, and checks that this is refused and that nothing was kept. */
async function assertWrong(
  log: TestedLog,
  streamId: string,
  expected: ExpectedRevision,
  actual: number,
): Promise<void> {
  await assert.rejects(log.append(streamId, { data: 'refused' }, expected), (error) => {
    assert.ok(error instanceof WrongExpectedRevisionError, String(error));
    assert.deepEqual([error.streamId, error.expected, error.actual], [streamId, expected, actual]);
    return true;
  });
  assert.equal((await log.streamPage(streamId)).revision, actual);
}

export const expectedRevisions = area('expected revisions', (it) => {
  it('let an append pass when the number is the stream’s revision', async (log) => {
    await log.append('s', numbered(1, 2), 0);
    await log.append('s', { data: 3 }, 2);
    assert.deepEqual(dataOf(await log.stream('s')), [1, 2, 3]);
  });

  it('refuse a number that is too low, and say where the stream is', async (log) => {
    await log.append('s', numbered(1, 3));
    await assertWrong(log, 's', 2, 3);
    await assertWrong(log, 's', 0, 3);
  });

  it('refuse a number that is too high', async (log) => {
    await log.append('s', numbered(1, 3));
    await assertWrong(log, 's', 4, 3);
    await assertWrong(log, 's', 2 ** 40, 3);
  });

  it('refuse a number on a stream that never was', async (log) => {
    await assertWrong(log, 's', 1, 0);
    assert.deepEqual(await log.streams({ streamId: 's' }), []);
  });

  it('take NO_STREAM for 0', async (log) => {
    await log.append('s', { data: 1 }, NO_STREAM);
    await assertWrong(log, 's', NO_STREAM, 1);
  });

  it('take STREAM_EXISTS for any number but 0', async (log) => {
    await assertWrong(log, 's', STREAM_EXISTS, 0);
    await log.append('s', { data: 1 });
    await log.append('s', { data: 2 }, STREAM_EXISTS);
  });

  it('take ANY for every number', async (log) => {
    await log.append('s', { data: 1 }, ANY);
    await log.append('s', { data: 2 }, ANY);
  });

  it('look at the stream of the append only', async (log) => {
    await log.append('other', numbered(1, 5));
    await log.append('s', { data: 1 }, NO_STREAM);
    await log.append('other', { data: 6 }, 5);
  });

  it('hold for an empty batch too', async (log) => {
    await log.append('s', numbered(1, 2));
    assert.equal((await log.append('s', [], 2)).firstPosition, 3);
    await assert.rejects(log.append('s', [], 1), WrongExpectedRevisionError);
    await assert.rejects(log.append('s', [], NO_STREAM), WrongExpectedRevisionError);
  });

  it('refuse a batch as a whole', async (log) => {
    await log.append('s', { data: 1 });
    await assert.rejects(log.append('s', numbered(2, 9), 0), WrongExpectedRevisionError);
    assert.deepEqual(dataOf(await log.stream('s')), [1]);
  });

  it('leave no gap where an append was refused', async (log) => {
    await log.append('s', { data: 1 });
    await assertWrong(log, 's', 7, 1);
    assert.equal((await log.append('s', { data: 2 }, 1)).firstPosition, 2);
  });

  it('are checked before the limits', { maxEventsPerStream: 1, maxStreams: 1 }, async (log) => {
    await log.append('s', { data: 1 });
    await assertWrong(log, 's', 5, 1);
    await assertWrong(log, 'new', 5, 0);
    await assert.rejects(log.append('s', { data: 2 }, 1), StreamLimitReachedError);
  });

  it('let one of eight writers win who saw the same revision', async (log) => {
    for (let revision = 0; revision < 5; revision++) {
      const outcomes = await Promise.allSettled(numbers(1, 8).map((n) => log.append('s', { data: n }, revision)));
      const losses = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
      assert.equal(losses.length, 7);
      for (const error of losses) assert.ok(error instanceof WrongExpectedRevisionError, String(error));
    }
    assert.equal((await log.stream('s')).length, 5);
  });

  it('let one of eight writers win who found no stream', async (log) => {
    const outcomes = await Promise.allSettled(numbers(1, 8).map((n) => log.append('s', { data: n }, NO_STREAM)));
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  it('let every one of eight writers append who reads again when it lost', async (log) => {
    const write = async (writer: number): Promise<void> => {
      for (let done = 0; done < 3;) {
        const { revision } = await log.streamPage('s', { limit: 1, direction: 'backward', after: Infinity });
        try {
          await log.append('s', { data: writer }, revision);
          done++;
        } catch (error) {
          if (!(error instanceof WrongExpectedRevisionError)) throw error;
        }
      }
    };
    await Promise.all(numbers(1, 8).map(write));
    assert.equal((await log.stream('s')).length, 24);
  });

  it('still know a stream that retention emptied', async (log) => {
    await log.append('s', numbered(1, 3));
    await log.trim();
    await assertWrong(log, 's', NO_STREAM, 3);
    await assertWrong(log, 's', 0, 3);
    await log.append('s', { data: 4 }, STREAM_EXISTS);
    assert.equal((await log.append('s', { data: 5 }, 4)).firstPosition, 5);
  });

  it('count events that have expired', async (log) => {
    await log.append('s', numbered(1, 3));
    await assert.rejects(log.append('s', { data: 1 }, NO_STREAM, Infinity), WrongExpectedRevisionError);
    assert.equal((await log.append('s', { data: 4 }, 3, Infinity)).firstPosition, 4);
  });
});

export const retries = area('retries', (it) => {
  const batch = (...ids: string[]) => ids.map((id) => ({ id, data: id }));

  it('with the same id after the same number are answered as the first time, and not stored', async (log) => {
    await log.append('s', batch('a'));
    const first = await log.append('s', batch('b'), 1);
    const again = await log.append('s', batch('b'), 1);
    assert.deepEqual([first.repeated, again.repeated], [false, true]);
    assert.deepEqual({ ...again, repeated: false }, { ...first });
  });

  it('with NO_STREAM are recognised too', async (log) => {
    const first = await log.append('s', batch('a', 'b'), NO_STREAM);
    const again = await log.append('s', batch('a', 'b'), NO_STREAM);
    assert.deepEqual([again.repeated, again.firstPosition, again.globalPosition], [true, 1, first.globalPosition]);
  });

  it('of a batch are recognised as a whole', async (log) => {
    const first = await log.append('s', batch('a', 'b', 'c'), 0);
    const again = await log.append('s', batch('a', 'b', 'c'), 0);
    assert.deepEqual([again.repeated, again.firstPosition, again.globalPosition], [true, 1, first.globalPosition]);
    assert.equal((await log.stream('s')).length, 3);
  });

  it('are recognised after others have appended', async (log) => {
    const first = await log.append('s', batch('a', 'b'), 0);
    await log.append('s', batch('c', 'd'));
    await log.append('other', batch('e'));
    const again = await log.append('s', batch('a', 'b'), 0);
    assert.deepEqual([again.repeated, again.firstPosition, again.globalPosition], [true, 1, first.globalPosition]);
  });

  it('are recognised in the middle of a stream', async (log) => {
    await log.append('s', batch('a', 'b', 'c', 'd', 'e'));
    const again = await log.append('s', batch('c', 'd'), 2);
    assert.deepEqual([again.repeated, again.firstPosition], [true, 3]);
    assert.equal(again.globalPosition, (await log.stream('s'))[3].globalPosition);
  });

  it('with the same id and another content are refused', async (log) => {
    const kept = { id: 'a', type: 't', data: { n: [1], x: 'é' }, metadata: { by: 'me' }, timestamp: 1_000 };
    await log.append('s', kept, 0);
    await log.append('s', { id: 'b' });
    const changes = [
      { type: 'other' },
      { data: { n: [2], x: 'é' } },
      { data: { n: [1], x: 'é', more: null } },
      { data: null },
      { metadata: {} },
      { metadata: { by: 'you' } },
      { timestamp: 2_000 },
    ];
    for (const change of changes) {
      await assert.rejects(log.append('s', { ...kept, ...change }, 0), WrongExpectedRevisionError);
    }
    assert.equal((await log.append('s', kept, 0)).repeated, true);
    assert.equal((await log.append('s', { ...kept, timestamp: undefined }, 0)).repeated, true);
    assert.equal((await log.stream('s')).length, 2);
  });

  it('whose last event has another content are refused', async (log) => {
    await log.append('s', batch('a', 'b', 'c'), 0);
    const changed = [...batch('a', 'b'), { id: 'c', data: 'other' }];
    await assert.rejects(log.append('s', changed, 0), WrongExpectedRevisionError);
  });

  it('of which the members stand in another order are recognised', async (log) => {
    await log.append('s', { id: 'a', data: { x: 1, y: { a: 1, b: 2 } }, metadata: { one: 1, two: 2 } }, 0);
    const again = { id: 'a', data: { y: { b: 2, a: 1 }, x: 1 }, metadata: { two: 2, one: 1 } };
    assert.equal((await log.append('s', again, 0)).repeated, true);
  });

  it('with another id are refused', async (log) => {
    await log.append('s', batch('a'), 0);
    await assert.rejects(log.append('s', batch('b'), 0), WrongExpectedRevisionError);
  });

  it('with the same ids in another order are refused', async (log) => {
    await log.append('s', batch('a', 'b'), 0);
    await assert.rejects(log.append('s', batch('b', 'a'), 0), WrongExpectedRevisionError);
  });

  it('of which only the beginning was stored are refused', async (log) => {
    await log.append('s', batch('a', 'b'), 0);
    await assert.rejects(log.append('s', batch('a', 'b', 'c'), 0), WrongExpectedRevisionError);
    await log.append('s', batch('x'));
    await assert.rejects(log.append('s', batch('a', 'b', 'c'), 0), WrongExpectedRevisionError);
  });

  it('of which one event differs are refused', async (log) => {
    await log.append('s', batch('a', 'b', 'c'), 0);
    await assert.rejects(log.append('s', batch('a', 'x', 'c'), 0), WrongExpectedRevisionError);
  });

  it('after another number are refused', async (log) => {
    await log.append('s', batch('a', 'b'), 0);
    await assert.rejects(log.append('s', batch('a', 'b'), 1), WrongExpectedRevisionError);
  });

  it('without ids are refused', async (log) => {
    await log.append('s', [{ data: 1 }], 0);
    await assert.rejects(log.append('s', [{ data: 1 }], 0), WrongExpectedRevisionError);
  });

  it('without one of the ids are refused', async (log) => {
    await log.append('s', [{ id: 'a' }, {}], 0);
    await assert.rejects(log.append('s', [{ id: 'a' }, {}], 0), WrongExpectedRevisionError);
  });

  it('do not look at other streams', async (log) => {
    await log.append('a', batch('x'), 0);
    assert.equal((await log.append('b', batch('x'), 0)).repeated, false);
  });

  it('that expect no number are appends', async (log) => {
    await log.append('s', batch('a'), NO_STREAM);
    assert.equal((await log.append('s', batch('a'), STREAM_EXISTS)).repeated, false);
    assert.equal((await log.append('s', batch('a'), ANY)).repeated, false);
    assert.equal((await log.stream('s')).length, 3);
  });

  it('that come together are stored once', async (log) => {
    const answers = await Promise.all(numbers(1, 8).map(() => log.append('s', batch('a', 'b'), 0)));
    assert.equal(answers.filter(({ repeated }) => !repeated).length, 1);
    assert.equal(new Set(answers.map(({ globalPosition }) => globalPosition)).size, 1);
    assert.equal((await log.stream('s')).length, 2);
  });

  it('are recognised when the limits are reached', { maxEventsPerStream: 2, maxStreams: 1 }, async (log) => {
    await log.append('s', batch('a', 'b'), 0);
    assert.equal((await log.append('s', batch('a', 'b'), 0)).repeated, true);
  });

  it('of what was trimmed are refused', async (log) => {
    await log.append('s', batch('a', 'b'), 0);
    await log.trim();
    await assert.rejects(log.append('s', batch('a', 'b'), 0), WrongExpectedRevisionError);
  });
});
