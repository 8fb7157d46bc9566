import assert from 'node:assert/strict';
import type { CheckpointChangedError, LogForkedError } from '../../../store/values/errors.js';
import type { PlaceInLog } from '../../../store/values/place.js';
import { area } from '../conformance-case.js';
import { numbered, numbers } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';
import { checkpointAt } from './checkpoints.js';

/** Ten events, `e1` to `e10`, in two streams by turns: the odd ones in `odd`, of type `t`, the others in `even`, of type `u`. */
async function tenEvents(log: TestedLog): Promise<void> {
  for (const n of numbers(1, 10)) {
    await log.append(n % 2 === 1 ? 'odd' : 'even', { id: `e${n}`, type: n % 2 === 1 ? 't' : 'u', data: n });
  }
}

const wantsIds = true;

export const places = area('which events lie where a page begins and ends', (it) => {
  it('is told of a page of the log', async (log) => {
    await tenEvents(log);
    const { afterId, reachedId, globalPosition } = await log.logPage({ after: 3, limit: 4, wantsIds });
    assert.deepEqual([afterId, globalPosition, reachedId], ['e3', 7, 'e7']);
  });

  it('is told of a page of a stream', async (log) => {
    await tenEvents(log);
    const { afterId, reachedId, position } = await log.streamPage('odd', { after: 2, limit: 2, wantsIds });
    assert.deepEqual([afterId, position, reachedId], ['e3', 4, 'e7']);
  });

  it('is told where nothing follows', async (log) => {
    await tenEvents(log);
    const all = await log.logPage({ after: 10, wantsIds });
    assert.deepEqual([all.afterId, all.reachedId], ['e10', 'e10']);
    const one = await log.streamPage('even', { after: 5, wantsIds });
    assert.deepEqual([one.afterId, one.reachedId], ['e10', 'e10']);
  });

  it('is told of a page of no events', async (log) => {
    await tenEvents(log);
    assert.equal((await log.logPage({ after: 4, limit: 0, wantsIds })).afterId, 'e4');
    assert.equal((await log.streamPage('even', { after: 4, limit: 0, wantsIds })).afterId, 'e8');
  });

  it('is told when the last event that was looked at is none of the page', async (log) => {
    await tenEvents(log);
    const filtered = await log.logPage({ after: 1, filter: { types: ['t'] }, wantsIds });
    assert.deepEqual([filtered.afterId, filtered.reachedId], ['e1', `e${filtered.globalPosition}`]);
    const none = await log.logPage({ after: 1, filter: { types: ['never'] }, wantsIds });
    assert.deepEqual([none.events, none.reachedId], [[], `e${none.globalPosition}`]);
    const typed = await log.streamPage('odd', { after: 1, types: [], wantsIds });
    assert.deepEqual([typed.events, typed.reachedId], [[], `e${2 * typed.position - 1}`]);
  });

  it('is told of a page of the log that one stream is looked for in', async (log) => {
    await tenEvents(log);
    const page = await log.logPage({ after: 2, filter: { streams: 'odd' }, wantsIds });
    assert.deepEqual([page.afterId, page.reachedId], ['e2', `e${page.globalPosition}`]);
    const full = await log.logPage({ after: 2, limit: 2, filter: { streams: 'odd' }, wantsIds });
    assert.deepEqual([full.globalPosition, full.reachedId], [5, 'e5']);
  });

  it('is nothing before the first event, and beyond the last', async (log) => {
    assert.equal((await log.logPage({ wantsIds })).afterId, undefined);
    assert.equal((await log.streamPage('never', { after: 3, wantsIds })).afterId, undefined);
    await tenEvents(log);
    for (const after of [0, 11, 1_000, Infinity]) {
      assert.equal((await log.logPage({ after, limit: 0, wantsIds })).afterId, undefined, String(after));
      assert.equal((await log.streamPage('odd', { after, limit: 0, wantsIds })).afterId, undefined, String(after));
    }
  });

  it('is not known where the event was removed', async (log) => {
    await tenEvents(log);
    await log.trim({ upTo: 4 });
    assert.equal((await log.logPage({ after: 4, wantsIds })).afterId, undefined);
    assert.equal((await log.streamPage('odd', { after: 2, wantsIds })).afterId, undefined);
    assert.equal((await log.logPage({ after: 5, wantsIds })).afterId, 'e5');
    assert.equal((await log.streamPage('odd', { after: 3, wantsIds })).afterId, 'e5');
  });
});

const isChanged = (error: unknown): boolean => (error as CheckpointChangedError).code === 'CHECKPOINT_CHANGED';
const isForked = (error: unknown): boolean => (error as LogForkedError).code === 'LOG_FORKED';

export const conditions = area('checkpoints under conditions', (it) => {
  const expecting = (log: TestedLog, position: number, expected: number | null): Promise<void> =>
    log.saveCheckpoint('billing', checkpointAt(position), undefined, {
      expected: expected === null ? null : checkpointAt(expected),
    });
  const upTo = (log: TestedLog, place: PlaceInLog): Promise<void> =>
    log.saveCheckpoint('billing', checkpointAt(place.position), undefined, { place });

  it('replace the one that is expected', async (log) => {
    await expecting(log, 1, null);
    await expecting(log, 2, 1);
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(2));
  });

  it('do not replace another one', async (log) => {
    await expecting(log, 1, null);
    await assert.rejects(expecting(log, 3, 2), isChanged);
    await assert.rejects(expecting(log, 3, null), isChanged);
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(1));
  });

  it('are not kept where one is expected and none is kept', async (log) => {
    await assert.rejects(expecting(log, 2, 1), isChanged);
    await expecting(log, 1, null);
    await log.removeCheckpoint('billing');
    await assert.rejects(expecting(log, 2, 1), isChanged);
    assert.equal(await log.loadCheckpoint('billing'), undefined);
  });

  it('compare all that is in them', async (log) => {
    const kept = { ...checkpointAt(1), ahead: [3, 5], added: { later: ['on', null] } };
    await log.saveCheckpoint('billing', kept);
    const other = { ...kept, ahead: [3, 6] };
    const save = (expected: typeof kept) =>
      log.saveCheckpoint('billing', checkpointAt(2), undefined, { expected: { ...expected } });
    await assert.rejects(save(other), isChanged);
    await save(kept);
  });

  it('let one of many replace the same one', async (log) => {
    await expecting(log, 1, null);
    const outcomes = await Promise.allSettled(numbers(2, 9).map((n) => expecting(log, n, 1)));
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  it('are kept when the log goes on from their place', async (log) => {
    await tenEvents(log);
    await upTo(log, { streamId: null, position: 10, id: 'e10' });
    await upTo(log, { streamId: null, position: 4, id: 'e4' });
    await upTo(log, { streamId: 'odd', position: 5, id: 'e9' });
    await upTo(log, { streamId: null, position: 10 });
    await upTo(log, { streamId: 'never', position: 0 });
    await upTo(log, { streamId: null, position: 0 });
  });

  it('are not kept when the log has another event there', async (log) => {
    await tenEvents(log);
    await log.saveCheckpoint('billing', checkpointAt(1));
    await assert.rejects(upTo(log, { streamId: null, position: 10, id: 'e9' }), isForked);
    await assert.rejects(upTo(log, { streamId: 'odd', position: 5, id: 'e5' }), isForked);
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(1));
  });

  it('are not kept when the log ends before', async (log) => {
    await tenEvents(log);
    await assert.rejects(upTo(log, { streamId: null, position: 11, id: 'e11' }), isForked);
    await assert.rejects(upTo(log, { streamId: null, position: 11 }), isForked);
    await assert.rejects(upTo(log, { streamId: 'odd', position: 6 }), isForked);
    await assert.rejects(upTo(log, { streamId: 'never', position: 1, id: 'e1' }), isForked);
    assert.equal(await log.loadCheckpoint('billing'), undefined);
  });

  it('are kept where the event was removed', async (log) => {
    await tenEvents(log);
    await log.trim({ upTo: 4 });
    await upTo(log, { streamId: null, position: 4, id: 'e4' });
    await upTo(log, { streamId: 'odd', position: 2, id: 'e3' });
    await log.trim();
    await upTo(log, { streamId: null, position: 10, id: 'e10' });
    await upTo(log, { streamId: 'odd', position: 5, id: 'e9' });
    await assert.rejects(upTo(log, { streamId: null, position: 11, id: 'e11' }), isForked);
  });

  it('hold together with a lease', { needs: ['leases'] }, async (log) => {
    await log.append('s', numbered(1, 2));
    const stale = await log.acquired('billing', 'one');
    await log.release(stale);
    const lease = await log.acquired('billing', 'two');
    const place = { streamId: null, position: 2 };
    await log.saveCheckpoint('billing', checkpointAt(1), lease, { expected: null, place });
    const next = { expected: checkpointAt(1), place };
    await assert.rejects(
      log.saveCheckpoint('billing', checkpointAt(2), stale, next),
      (error) => (error as LogForkedError).name === 'LeaseLostError',
    );
    await assert.rejects(log.saveCheckpoint('billing', checkpointAt(2), lease, { ...next, expected: null }), isChanged);
    const beyond = { ...next, place: { streamId: null, position: 3 } };
    await assert.rejects(log.saveCheckpoint('billing', checkpointAt(2), lease, beyond), isForked);
    await log.saveCheckpoint('billing', checkpointAt(2), lease, next);
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(2));
  });

  it('hold in a transaction', { needs: ['leases', 'transactions'] }, async (log) => {
    await log.append('s', numbered(1, 2));
    const lease = await log.acquired('billing', 'one');
    const save = (position: number, expected: number | null, place: PlaceInLog): Promise<void> =>
      log.engine.transact!((transaction) =>
        transaction.saveCheckpoint('billing', checkpointAt(position), lease, {
          expected: expected === null ? null : checkpointAt(expected),
          place,
        }),
      );
    const here = { streamId: null, position: 2 };
    await save(1, null, here);
    await assert.rejects(save(2, null, here), isChanged);
    await assert.rejects(save(2, 1, { streamId: null, position: 3 }), isForked);
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(1));
    await save(2, 1, here);
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(2));
  });
});
