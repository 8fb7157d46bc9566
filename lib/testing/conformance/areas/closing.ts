import assert from 'node:assert/strict';
import { area } from '../conformance-case.js';
import { dataOf, numbered } from '../event-drafts.js';
import { checkpointAt } from './checkpoints.js';

export const closing = area('closing', (it) => {
  it('is possible right after opening', async (log) => {
    await log.close();
  });

  it('is possible after work of every kind', async (log) => {
    await log.append('s', numbered(1, 10));
    await log.stream('s');
    await log.timeRange();
    await log.trim({ limit: 5 });
    await log.saveCheckpoint('billing', checkpointAt(1));
    await log.close();
  });

  it('ends the hints', async (log) => {
    log.engine.onAppended?.(() => undefined);
    await log.append('s', { data: 1 });
    await log.close();
    assert.equal(log.clock.pendingTimers, 0);
  });

  it('keeps what was acknowledged just before', { needs: ['createAnother'] }, async (log) => {
    await log.append('s', { data: 1 });
    await log.saveCheckpoint('billing', checkpointAt(1));
    const again = await log.reopened();
    assert.deepEqual(dataOf(await again.stream('s')), [1]);
    assert.deepEqual(await again.loadCheckpoint('billing'), checkpointAt(1));
  });

  it('leaves an engine that can be opened again, as after an opening that failed later on', async (log) => {
    const again = await (await log.openedAgain()).openedAgain();
    await again.append('s', { data: 1 });
    assert.deepEqual(dataOf(await again.stream('s')), [1]);
  });

  it('leaves the events that readers have as they are', async (log) => {
    await log.append('s', { data: { a: [1] } });
    const events = await log.stream('s');
    await log.close();
    assert.deepEqual(dataOf(events), [{ a: [1] }]);
  });
});
