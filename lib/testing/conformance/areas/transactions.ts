import assert from 'node:assert/strict';
import { LeaseLostError } from '../../../store/values/errors.js';
import { area } from '../conformance-case.js';
import { checkpointAt } from './checkpoints.js';

export const transactions = area(
  'transactions',
  (it) => {
    it('answer with what their work answers', async ({ engine }) => {
      assert.equal(await engine.transact!(async () => 'answer'), 'answer');
    });

    it('keep a checkpoint when their work is done', async (log) => {
      await log.engine.transact!((transaction) => transaction.saveCheckpoint('billing', checkpointAt(1)));
      assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(1));
    });

    it('keep nothing when their work fails, and fail with its error', async (log) => {
      await log.saveCheckpoint('billing', checkpointAt(1));
      const failure = new Error('the work failed');
      const work = log.engine.transact!(async (transaction) => {
        await transaction.saveCheckpoint('billing', checkpointAt(2));
        throw failure;
      });
      await assert.rejects(work, (error) => error === failure);
      assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(1));
    });

    it('hand out a client', async ({ engine }) => {
      await engine.transact!(async ({ client }) => assert.ok(client !== undefined && client !== null));
    });

    it('may come one after the other and together', async (log) => {
      await Promise.all(
        ['a', 'b', 'c'].map((name, index) =>
          log.engine.transact!((transaction) => transaction.saveCheckpoint(name, checkpointAt(index))),
        ),
      );
      assert.equal((await log.engine.listCheckpoints()).length, 3);
    });

    it('let appends go on after one that failed', async (log) => {
      await assert.rejects(log.engine.transact!(() => Promise.reject(new Error('the work failed'))));
      await log.append('s', { data: 1 });
      assert.equal((await log.stream('s')).length, 1);
    });

    it('hold a checkpoint that is saved beside them apart', async (log) => {
      await log.engine.transact!(async (transaction) => transaction.saveCheckpoint('a', checkpointAt(1)));
      await log.saveCheckpoint('b', checkpointAt(2));
      assert.deepEqual(
        [await log.loadCheckpoint('a'), await log.loadCheckpoint('b')],
        [checkpointAt(1), checkpointAt(2)],
      );
    });

    it('are over when who asks for the lease that they saved under gets it', { needs: ['leases'] }, async (log) => {
      const lease = await log.acquired('billing', 'one');
      const asked = await log.engine.transact!(async (transaction) => {
        await transaction.saveCheckpoint('billing', checkpointAt(1), lease);
        const seen = log.acquire('billing', 'one').then(() => log.loadCheckpoint('billing'));
        // As long as an answer takes, and longer.
        for (let count = 0; count < 10; count++) await log.loadCheckpoint('mailing');
        return { seen };
      });
      assert.deepEqual(await asked.seen, checkpointAt(1));
    });

    it('keep out who has lost the lease', { needs: ['leases'] }, async (log) => {
      const stale = await log.acquired('billing', 'one');
      await log.release(stale);
      const current = await log.acquired('billing', 'two');
      const save = (lease: typeof stale, position: number): Promise<void> =>
        log.engine.transact!((transaction) => transaction.saveCheckpoint('billing', checkpointAt(position), lease));
      await assert.rejects(save(stale, 1), LeaseLostError);
      assert.equal(await log.loadCheckpoint('billing'), undefined);
      await save(current, 2);
      assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(2));
    });
  },
  ['transactions'],
);
