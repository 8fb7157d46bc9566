import assert from 'node:assert/strict';
import { area } from '../conformance-case.js';
import { numbered } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';

/** Where streams end, by the engine, with the answer of a read of each; undefined when the engine is not to tell. */
async function toldAndRead({ engine }: TestedLog, streamIds: readonly string[]) {
  const told = await engine.streamEnds?.(streamIds);
  if (!told) return undefined;
  const byId = [...told].sort((a, b) => (a.streamId < b.streamId ? -1 : 1));
  const read = [];
  for (const streamId of [...streamIds].sort()) {
    const everything = {
      after: 0,
      limit: Infinity,
      maxBytes: Infinity,
      direction: 'forward',
      types: undefined,
    } as const;
    const { revision } = await engine.readStream({ ...everything, streamId, recordedSince: -Infinity });
    const atEnd = { ...everything, streamId, after: revision, recordedSince: -Infinity, wantsIds: true };
    const { afterId } = await engine.readStream(atEnd);
    if (revision > 0) read.push({ streamId, revision, lastId: afterId });
  }
  return [byId.map(({ streamId, revision, lastId }) => ({ streamId, revision, lastId })), read] as const;
}

export const streamEnds = area('ends of streams', (it) => {
  it('are told of several streams at a time, and nothing of those that never were', async (log) => {
    for (const streamId of ['b', 'a', '$own', "it's", 'a']) await log.append(streamId, numbered(1, 3));
    const [told, read] = (await toldAndRead(log, ['a', 'unborn', "it's", 'b', '$own'])) ?? [];
    assert.deepEqual(told, read);
    assert.ok(!told || told.length === 4);
  });

  it('move with each append', async (log) => {
    for (let round = 1; round <= 3; round++) {
      await log.append('a', numbered(1, round));
      const [told, read] = (await toldAndRead(log, ['a'])) ?? [];
      assert.deepEqual(told, read);
    }
  });

  it('stay where they are when the events are removed, without an id', async (log) => {
    await log.append('a', numbered(1, 3));
    await log.append('b', numbered(1, 1));
    await log.trim({ limit: 3 });
    const told = await log.engine.streamEnds?.(['a']);
    assert.deepEqual(told?.map(({ revision, lastId }) => [revision, lastId]) ?? [[3, undefined]], [[3, undefined]]);
  });

  it('of no stream are none', async (log) => {
    await log.append('a', numbered(1, 3));
    assert.deepEqual((await log.engine.streamEnds?.([])) ?? [], []);
  });
});
