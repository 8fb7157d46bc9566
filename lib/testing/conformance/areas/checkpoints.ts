import assert from 'node:assert/strict';
import type { Checkpoint } from '../../../store/values/checkpoint.js';
import { area } from '../conformance-case.js';
import { numbered, numbers } from '../event-drafts.js';
import { ODD_NAMES } from '../odd-names.js';

/** A checkpoint that has nothing but a position. */
export function checkpointAt(position: number): Checkpoint {
  return { position, ahead: [], attempts: [], parked: [], isRunning: false };
}

export const checkpoints = area('checkpoints', (it) => {
  it('are kept under their name', async (log) => {
    await log.saveCheckpoint('billing', checkpointAt(7));
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(7));
    assert.equal(await log.loadCheckpoint('bill'), undefined);
  });

  it('take the place of the one before', async (log) => {
    for (const position of [1, 5, 3]) await log.saveCheckpoint('billing', checkpointAt(position));
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(3));
  });

  it('are kept with everything in them', async (log) => {
    const checkpoint: Checkpoint = {
      position: 2 ** 52,
      ahead: [2 ** 52 + 2, 2 ** 52 + 9],
      attempts: [{ position: 2 ** 52 + 1, count: 3 }],
      parked: [{ streamId: 'order-"1"\u2028', handledTo: 3, skippedTo: 9 }],
      isRunning: true,
    };
    await log.saveCheckpoint('billing', checkpoint);
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpoint);
  });

  it('are opaque: members that the engine has never heard of are kept too', async (log) => {
    const checkpoint = { ...checkpointAt(1), added: { later: ['on', null] } } as Checkpoint;
    await log.saveCheckpoint('billing', checkpoint);
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpoint);
  });

  it('may be large', async (log) => {
    const checkpoint = { ...checkpointAt(1), ahead: numbers(3, 20_000) };
    await log.saveCheckpoint('billing', checkpoint);
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpoint);
  });

  it('are listed, each with its name', async (log) => {
    assert.deepEqual(await log.engine.listCheckpoints(), []);
    for (const [index, name] of ['b', 'a', 'c'].entries()) await log.saveCheckpoint(name, checkpointAt(index));
    await log.saveCheckpoint('a', checkpointAt(9));
    const listed = [...(await log.engine.listCheckpoints())].sort((a, b) => (a.name < b.name ? -1 : 1));
    assert.deepEqual(listed, [
      { name: 'a', checkpoint: checkpointAt(9) },
      { name: 'b', checkpoint: checkpointAt(0) },
      { name: 'c', checkpoint: checkpointAt(2) },
    ]);
  });

  it('are forgotten when they are removed', async (log) => {
    await log.saveCheckpoint('a', checkpointAt(1));
    await log.saveCheckpoint('b', checkpointAt(2));
    await log.removeCheckpoint('a');
    await log.removeCheckpoint('a');
    assert.equal(await log.loadCheckpoint('a'), undefined);
    assert.deepEqual(await log.engine.listCheckpoints(), [{ name: 'b', checkpoint: checkpointAt(2) }]);
  });

  it('may be used again after they were removed', async (log) => {
    await log.saveCheckpoint('a', checkpointAt(1));
    await log.removeCheckpoint('a');
    await log.saveCheckpoint('a', checkpointAt(2));
    assert.deepEqual(await log.loadCheckpoint('a'), checkpointAt(2));
  });

  it('are kept under any name', async (log) => {
    for (const [index, name] of ODD_NAMES.entries()) await log.saveCheckpoint(name, checkpointAt(index));
    for (const [index, name] of ODD_NAMES.entries()) {
      assert.deepEqual(await log.loadCheckpoint(name), checkpointAt(index), name);
    }
    assert.equal((await log.engine.listCheckpoints()).length, ODD_NAMES.length);
  });

  it('may be saved many at a time', async (log) => {
    await Promise.all(numbers(1, 30).map((n) => log.saveCheckpoint(`c-${n}`, checkpointAt(n))));
    assert.deepEqual(await log.loadCheckpoint('c-17'), checkpointAt(17));
    assert.equal((await log.engine.listCheckpoints()).length, 30);
  });

  it('are no events', async (log) => {
    await log.append('s', { data: 1 });
    await log.saveCheckpoint('s', checkpointAt(1));
    assert.equal((await log.log()).length, 1);
    assert.deepEqual(await log.streamIds(), ['s']);
  });

  it('outlive the events they stand for', async (log) => {
    await log.append('s', numbered(1, 3));
    await log.saveCheckpoint('billing', checkpointAt(3));
    await log.trim();
    assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(3));
  });
});
