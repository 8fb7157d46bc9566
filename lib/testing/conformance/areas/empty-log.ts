import assert from 'node:assert/strict';
import { area } from '../conformance-case.js';

export const emptyLog = area('an empty log', (it) => {
  it('says what kind of engine it is', async ({ engine }) => {
    assert.ok(typeof engine.name === 'string' && engine.name !== '');
  });

  it('has all verbs of what it supports', async ({ engine }) => {
    const { leases, snapshot, transactions } = engine.supports;
    if (leases) {
      for (const verb of ['acquireLease', 'releaseLease', 'listLeases'] as const) {
        assert.equal(typeof engine[verb], 'function', verb);
      }
    }
    if (snapshot) assert.equal(typeof engine.snapshot, 'function');
    if (transactions) assert.equal(typeof engine.transact, 'function');
  });

  it('holds no events', async (log) => {
    const page = await log.logPage();
    assert.deepEqual(page.events, []);
    assert.deepEqual([page.head, page.trimmedTo, page.isEnd], [0, 0, true]);
    assert.deepEqual(await log.log({ direction: 'backward' }), []);
  });

  it('has streams of revision 0 only', async (log) => {
    const page = await log.streamPage('never');
    assert.deepEqual(page.events, []);
    assert.deepEqual([page.revision, page.trimmedTo, page.isEnd], [0, 0, true]);
    assert.deepEqual(await log.stream('never', { direction: 'backward' }), []);
  });

  it('has an empty time range', async (log) => {
    const page = await log.timePage();
    assert.deepEqual([page.events, page.next], [[], undefined]);
  });

  it('lists no streams', async (log) => {
    assert.deepEqual(await log.streams(), []);
    assert.deepEqual(await log.streams({ streamId: 'never' }), []);
  });

  it('has nothing to trim', async (log) => {
    assert.equal(await log.trim(), 0);
  });

  it('keeps no checkpoints', async (log) => {
    assert.equal(await log.loadCheckpoint('never'), undefined);
    assert.deepEqual(await log.engine.listCheckpoints(), []);
    await log.removeCheckpoint('never');
  });

  it('is used by nothing', async (log) => {
    const { events, streams } = await log.usage();
    assert.deepEqual([events, streams], [0, 0]);
  });
});
