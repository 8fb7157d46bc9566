import assert from 'node:assert/strict';
import { NO_STREAM } from '../../../store/values/expected-revision.js';
import { WrongExpectedRevisionError } from '../../../store/values/errors.js';
import { area } from '../conformance-case.js';
import { dataOf, idsOf, numbered, numbers } from '../event-drafts.js';
import { ODD_NAMES } from '../odd-names.js';
import { checkpointAt } from './checkpoints.js';

export const restarts = area(
  'after a restart',
  (it) => {
    it('everything acknowledged is there', async (log) => {
      await log.append('a', numbered(1, 100));
      await log.append('b', { id: 'b-1', type: 't', data: { x: 1 }, metadata: { y: 2 }, timestamp: 5 });
      const before = await log.log();
      const again = await log.reopened();
      assert.deepEqual(idsOf(await again.log()), idsOf(before));
    });

    it('ids, times and places of events are as they were', async (log) => {
      await log.append('s', numbered(1, 3));
      const places = (events: Awaited<ReturnType<typeof log.log>>) =>
        events.map(({ id, globalPosition, recordedAt }) => [id, globalPosition, recordedAt.getTime()]);
      const before = places(await log.log());
      assert.deepEqual(places(await (await log.reopened()).log()), before);
    });

    it('positions and global positions go on', async (log) => {
      await log.append('s', numbered(1, 3));
      const { head } = await log.logPage();
      const again = await log.reopened();
      const answer = await again.append('s', { data: 4 }, 3);
      assert.equal(answer.firstPosition, 4);
      assert.ok(answer.globalPosition > head);
    });

    it('an empty log is still empty', async (log) => {
      const again = await log.reopened();
      assert.deepEqual(await again.log(), []);
      assert.equal((await again.append('s', { data: 1 }, NO_STREAM)).firstPosition, 1);
    });

    it('what was trimmed is still gone, and positions go on behind it', async (log) => {
      await log.append('a', numbered(1, 3));
      await log.append('b', { data: 4 });
      const { head } = await log.logPage();
      await log.trim({ limit: 3 });
      let again = await log.reopened();
      assert.deepEqual(dataOf(await again.log()), [4]);
      assert.equal((await again.streamPage('a')).revision, 3);
      assert.equal((await again.streamPage('a')).trimmedTo, 3);
      await again.trim();
      again = await again.reopened();
      assert.deepEqual([(await again.logPage()).head, (await again.logPage()).trimmedTo], [head, head]);
      const { firstPosition, globalPosition } = await again.append('a', { data: 5 });
      assert.equal(firstPosition, 4);
      assert.ok(globalPosition > head);
    });

    it('retries are still recognised', async (log) => {
      const batch = [{ id: 'a' }, { id: 'b' }];
      const first = await log.append('s', batch, 0);
      const again = await log.reopened();
      assert.deepEqual({ ...(await again.append('s', batch, 0)), repeated: false }, { ...first });
      await assert.rejects(again.append('s', [{ id: 'c' }], 0), WrongExpectedRevisionError);
    });

    it('checkpoints are there', async (log) => {
      await log.saveCheckpoint('a', checkpointAt(3));
      await log.saveCheckpoint('b', checkpointAt(4));
      await log.removeCheckpoint('b');
      const again = await log.reopened();
      assert.deepEqual(await again.engine.listCheckpoints(), [{ name: 'a', checkpoint: checkpointAt(3) }]);
    });

    it('no event is recorded as earlier than the one before, although the clock went back', async (log) => {
      await log.append('s', { data: 1 });
      log.clock.adjust(-3_600_000);
      const again = await log.reopened();
      await again.append('s', { data: 2 });
      const [first, second] = await again.stream('s');
      assert.ok(first.recordedAt <= second.recordedAt);
    });

    it('limits count what was there', { maxEventsPerStream: 2, maxStreams: 1 }, async (log) => {
      await log.append('s', { data: 1 });
      const again = await log.reopened();
      await again.append('s', { data: 2 });
      await assert.rejects(again.append('s', { data: 3 }));
      await assert.rejects(again.append('new', { data: 1 }));
    });

    it('streams of any name are there', async (log) => {
      for (const name of ODD_NAMES) await log.append(name, { data: name });
      const again = await log.reopened();
      for (const name of ODD_NAMES) assert.deepEqual(dataOf(await again.stream(name)), [name]);
    });

    it('it can be restarted again and again', async (log) => {
      let current = log;
      for (const n of numbers(1, 5)) {
        await current.append('s', { data: n });
        current = await current.reopened();
      }
      assert.deepEqual(dataOf(await current.stream('s')), numbers(1, 5));
    });

    it('what is being appended when it closes is there, or was refused', async (log) => {
      const appends = numbers(1, 20).map((n) => log.append(`s-${n}`, numbered(1, 3)));
      // As in the store: accepted appends are answered before the engine is closed.
      await Promise.allSettled(appends);
      await log.reopened();
    });

    it('a lease ends all the same, and its token is not given again', { needs: ['leases'] }, async (log) => {
      const { token } = await log.acquired('billing', 'one', 300);
      const again = await log.reopened();
      await again.until('the lease ends', async () => (await again.leases()).length === 0);
      assert.ok((await again.acquired('billing', 'two')).token > token);
    });

    it('a released lease does not give its token again', { needs: ['leases'] }, async (log) => {
      const lease = await log.acquired('billing', 'one');
      await log.release(lease);
      const again = await log.reopened();
      assert.ok((await again.acquired('billing', 'two')).token > lease.token);
    });
  },
  ['createAnother'],
);
