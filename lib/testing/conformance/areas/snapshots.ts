import assert from 'node:assert/strict';
import { area } from '../conformance-case.js';
import { numbered, numbers } from '../event-drafts.js';
import { checkpointAt } from './checkpoints.js';

export const snapshots = area(
  'snapshots',
  (it) => {
    it('say what is in them', async (log) => {
      await log.append('a', numbered(1, 3));
      await log.append('b', { data: 4 });
      await log.append('$own', { data: 5 });
      const snapshot = await log.engine.snapshot!({ ifChanged: false });
      assert.ok(snapshot);
      assert.deepEqual([snapshot.events, snapshot.streams], [5, 2]);
      assert.ok(snapshot.id !== '' && snapshot.bytes > 0 && snapshot.createdAt instanceof Date);
    });

    it('have an id each', async (log) => {
      await log.append('s', { data: 1 });
      const ids = [];
      for (let n = 0; n < 3; n++) ids.push((await log.engine.snapshot!({ ifChanged: false }))!.id);
      assert.equal(new Set(ids).size, 3);
    });

    it('may be of an empty log', async ({ engine }) => {
      const snapshot = await engine.snapshot!({ ifChanged: false });
      assert.deepEqual([snapshot?.events, snapshot?.streams], [0, 0]);
    });

    it('are not written when nothing has changed, if the request does not want another', async (log) => {
      await log.append('s', { data: 1 });
      assert.ok(await log.engine.snapshot!({ ifChanged: true }));
      assert.equal(await log.engine.snapshot!({ ifChanged: true }), undefined);
      assert.ok(await log.engine.snapshot!({ ifChanged: false }));
    });

    it('are written again after an append, a checkpoint and a trim', async (log) => {
      await log.append('s', numbered(1, 2));
      await log.engine.snapshot!({ ifChanged: true });
      await log.append('s', { data: 3 });
      assert.equal((await log.engine.snapshot!({ ifChanged: true }))?.events, 3);
      await log.saveCheckpoint('billing', checkpointAt(1));
      assert.ok(await log.engine.snapshot!({ ifChanged: true }));
      await log.trim({ limit: 1 });
      assert.equal((await log.engine.snapshot!({ ifChanged: true }))?.events, 2);
    });

    it('are written while appends go on', async (log) => {
      await log.append('s', numbered(1, 500));
      const writing = log.engine.snapshot!({ ifChanged: false });
      await Promise.all(numbers(1, 20).map((n) => log.append('t', { data: n })));
      const snapshot = await writing;
      assert.ok(snapshot!.events >= 500 && snapshot!.events <= 520, String(snapshot!.events));
    });

    it('may be asked for several times at once', async (log) => {
      await log.append('s', numbered(1, 10));
      await Promise.all(numbers(1, 3).map(async () => log.engine.snapshot!({ ifChanged: false })));
    });
  },
  ['snapshot'],
);
