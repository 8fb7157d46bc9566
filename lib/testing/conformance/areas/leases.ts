import assert from 'node:assert/strict';
import { LeaseLostError } from '../../../store/values/errors.js';
import type { Lease } from '../../../store/ports/storage-engine.js';
import { area } from '../conformance-case.js';
import { numbers } from '../event-drafts.js';
import { ODD_NAMES } from '../odd-names.js';
import type { TestedLog } from '../tested-log.js';
import { checkpointAt } from './checkpoints.js';

/** Short enough to wait for where no test can move the clock, long enough for the calls that come before. */
const SHORT_MS = 300;

/** Waits until a lease that was acquired for a short time has ended and somebody else has got it. */
async function takenOver(log: TestedLog, name: string, holder: string, durationMs = 60_000): Promise<Lease> {
  let taken: Lease | undefined;
  await log.until(`${holder} gets "${name}"`, async () => {
    taken = await log.acquire(name, holder, durationMs);
    return taken !== undefined;
  });
  return taken!;
}

async function assertLost(name: string, save: Promise<void>): Promise<void> {
  await assert.rejects(save, (error) => {
    assert.ok(error instanceof LeaseLostError, String(error));
    assert.equal(error.lease, name);
    return true;
  });
}

export const leases = area(
  'leases',
  (it) => {
    it('go to whoever asks first', async (log) => {
      const { name, holder, token } = await log.acquired('billing', 'one');
      assert.deepEqual([name, holder], ['billing', 'one']);
      assert.ok(Number.isSafeInteger(token) && token >= 1, String(token));
    });

    it('go to nobody else while they last', async (log) => {
      await log.acquired('billing', 'one');
      assert.equal(await log.acquire('billing', 'two'), undefined);
      assert.equal(await log.acquire('billing', 'two'), undefined);
    });

    it('keep their token when their holder asks again', async (log) => {
      const first = await log.acquired('billing', 'one');
      assert.deepEqual(await log.acquired('billing', 'one'), first);
    });

    it('of one name do not hinder those of another', async (log) => {
      await log.acquired('billing', 'one');
      await log.acquired('mailing', 'two');
      assert.equal(await log.acquire('mailing', 'one'), undefined);
    });

    it('end after their time', async (log) => {
      await log.acquired('billing', 'one', SHORT_MS);
      assert.equal((await takenOver(log, 'billing', 'two')).holder, 'two');
    });

    it('end after their time when the clock is set back meanwhile, and not before', async (log) => {
      await log.acquired('billing', 'one', SHORT_MS);
      log.clock.adjust(-3_600_000);
      assert.equal(await log.acquire('billing', 'two'), undefined);
      assert.equal((await takenOver(log, 'billing', 'two')).holder, 'two');
    });

    it('that were given for longer last for longer, whoever asks', async (log) => {
      await log.acquired('billing', 'one', 60_000);
      assert.equal(await log.acquire('billing', 'two', 1), undefined);
      log.clock.push(5);
      assert.equal(await log.acquire('billing', 'two', 1), undefined);
    });

    it('have a larger token with each holder', async (log) => {
      const tokens: number[] = [];
      for (const holder of ['one', 'two', 'one', 'three']) {
        tokens.push((await takenOver(log, 'billing', holder, 20)).token);
      }
      assert.deepEqual(
        tokens,
        [...tokens].sort((a, b) => a - b),
      );
      assert.equal(new Set(tokens).size, 4);
    });

    it('are prolonged by asking again', async (log) => {
      const first = await log.acquired('long', 'one', SHORT_MS);
      await log.acquired('short', 'one', SHORT_MS);
      assert.equal((await log.acquired('long', 'one')).token, first.token);
      await takenOver(log, 'short', 'two');
      assert.equal(await log.acquire('long', 'two'), undefined);
    });

    it('that were taken over do not go back before they end', async (log) => {
      await log.acquired('billing', 'one', SHORT_MS);
      await takenOver(log, 'billing', 'two');
      assert.equal(await log.acquire('billing', 'one'), undefined);
    });

    it('go to one of eight who ask together', async (log) => {
      const answers = await Promise.all(numbers(1, 8).map((n) => log.acquire('billing', `holder-${n}`)));
      assert.equal(answers.filter((lease) => lease !== undefined).length, 1);
    });

    it('go at once, with a larger token, to one of those who know that their holder is gone', async (log) => {
      const gone = await log.acquired('billing', 'one');
      const answers = await Promise.all(numbers(1, 8).map((n) => log.acquire('billing', `holder-${n}`, 60_000, gone)));
      const [taken, ...others] = answers.filter((lease) => lease !== undefined);
      assert.ok(taken && taken.token > gone.token, JSON.stringify(taken));
      assert.deepEqual(others, []);
      assert.deepEqual(await log.leases(), [taken]);
      await assertLost('billing', log.saveCheckpoint('billing', checkpointAt(1), gone));
    });

    it('stay where they are when it was an earlier holder that is gone', async (log) => {
      const gone = await log.acquired('billing', 'one');
      await log.release(gone);
      const held = await log.acquired('billing', 'two');
      assert.equal(await log.acquire('billing', 'three', 60_000, gone), undefined);
      assert.equal(await log.acquire('billing', 'three', 60_000, { ...gone, token: held.token }), undefined);
      assert.equal(await log.acquire('billing', 'three', 60_000, { ...held, token: gone.token }), undefined);
      assert.deepEqual(await log.leases(), [held]);
    });

    it('that nobody holds are given as ever to who knows of a holder that is gone', async (log) => {
      const gone = await log.acquired('billing', 'one');
      await log.release(gone);
      assert.ok((await log.acquired('billing', 'two')).token > gone.token);
      assert.ok(await log.acquire('mailing', 'two', 60_000, { ...gone, name: 'mailing' }));
    });

    it('that are released can be taken at once, with a larger token', async (log) => {
      const first = await log.acquired('billing', 'one');
      await log.release(first);
      assert.ok((await log.acquired('billing', 'two')).token > first.token);
    });

    it('that are released can be taken by the same holder, with a larger token', async (log) => {
      const first = await log.acquired('billing', 'one');
      await log.release(first);
      assert.ok((await log.acquired('billing', 'one')).token > first.token);
    });

    it('may be released twice', async (log) => {
      const lease = await log.acquired('billing', 'one');
      await log.release(lease);
      await log.release(lease);
    });

    it('are not ended by who held them before', async (log) => {
      const stale = await log.acquired('billing', 'one', SHORT_MS);
      await takenOver(log, 'billing', 'two');
      await log.release(stale);
      assert.equal(await log.acquire('billing', 'three'), undefined);
    });

    it('are not ended by a lease of the same holder that was taken before', async (log) => {
      const stale = await log.acquired('billing', 'one');
      await log.release(stale);
      await log.acquired('billing', 'one');
      await log.release(stale);
      assert.equal(await log.acquire('billing', 'two'), undefined);
    });

    it('are not ended by another holder with the same token', async (log) => {
      // As after a server or a file was put back to a time before the token was given.
      const lease = await log.acquired('billing', 'one');
      await log.release({ ...lease, holder: 'two' });
      assert.equal(await log.acquire('billing', 'three'), undefined);
    });

    it('are listed by name while somebody holds them', async (log) => {
      assert.deepEqual(await log.leases(), []);
      const held = [await log.acquired('b', 'one'), await log.acquired('c', 'two'), await log.acquired('a', 'one')];
      assert.deepEqual(await log.leases(), [held[2], held[0], held[1]]);
      await log.release(held[0]);
      assert.deepEqual(await log.leases(), [held[2], held[1]]);
    });

    it('are not listed when their time is over', async (log) => {
      await log.acquired('billing', 'one', SHORT_MS);
      await log.until('the lease ends', async () => (await log.leases()).length === 0);
    });

    it('are listed with the holder that took them over', async (log) => {
      await log.acquired('billing', 'one', SHORT_MS);
      const taken = await takenOver(log, 'billing', 'two');
      assert.deepEqual(await log.leases(), [taken]);
    });

    it('are listed by the beginning of their names, each character for itself', async (log) => {
      const names = ['a%b', 'a_b', 'a*b', 'axb', 'A%b', 'b'];
      for (const name of names) await log.acquired(name, 'one');
      const found = async (prefix: string) => (await log.leases(prefix)).map(({ name }) => name);
      assert.deepEqual(await found('a%'), ['a%b']);
      assert.deepEqual(await found('a_'), ['a_b']);
      assert.deepEqual(await found('a*'), ['a*b']);
      assert.deepEqual(await found('a'), ['a%b', 'a*b', 'a_b', 'axb']);
    });

    it('have any name, and any holder', async (log) => {
      for (const name of ODD_NAMES) assert.equal((await log.acquired(name, `holder ${name}`)).name, name);
      for (const name of ODD_NAMES) assert.equal(await log.acquire(name, 'other'), undefined, name);
    });
  },
  ['leases'],
);

export const fencing = area(
  'fencing',
  (it) => {
    it('lets the holder of a lease save a checkpoint', async (log) => {
      const lease = await log.acquired('billing', 'one');
      await log.saveCheckpoint('billing', checkpointAt(1), lease);
      assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(1));
    });

    it('lets the holder save after it prolonged the lease', async (log) => {
      const lease = await log.acquired('billing', 'one');
      await log.acquired('billing', 'one');
      await log.saveCheckpoint('billing', checkpointAt(1), lease);
    });

    it('keeps out who comes after another has taken the lease', async (log) => {
      const stale = await log.acquired('billing', 'one', SHORT_MS);
      await log.saveCheckpoint('billing', checkpointAt(1), stale);
      const current = await takenOver(log, 'billing', 'two');
      await assertLost('billing', log.saveCheckpoint('billing', checkpointAt(2), stale));
      assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(1));
      await log.saveCheckpoint('billing', checkpointAt(3), current);
      await assertLost('billing', log.saveCheckpoint('billing', checkpointAt(4), stale));
      assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(3));
    });

    it('keeps out who released the lease when another has taken it', async (log) => {
      const stale = await log.acquired('billing', 'one');
      await log.release(stale);
      await log.acquired('billing', 'two');
      await assertLost('billing', log.saveCheckpoint('billing', checkpointAt(1), stale));
    });

    it('keeps out an earlier lease of the same holder', async (log) => {
      const stale = await log.acquired('billing', 'one');
      await log.release(stale);
      const current = await log.acquired('billing', 'one');
      await assertLost('billing', log.saveCheckpoint('billing', checkpointAt(1), stale));
      await log.saveCheckpoint('billing', checkpointAt(2), current);
    });

    it('keeps out another holder with the same token', async (log) => {
      const lease = await log.acquired('billing', 'one');
      await log.saveCheckpoint('billing', checkpointAt(1), lease);
      await assertLost('billing', log.saveCheckpoint('billing', checkpointAt(2), { ...lease, holder: 'two' }));
      assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(1));
    });

    it('goes by the lease, whatever the checkpoint is called', async (log) => {
      const stale = await log.acquired('billing', 'one');
      await log.release(stale);
      await log.acquired('billing', 'two');
      await assertLost('billing', log.saveCheckpoint('another name', checkpointAt(1), stale));
      assert.equal(await log.loadCheckpoint('another name'), undefined);
    });

    it('keeps nobody out who has no lease', async (log) => {
      await log.acquired('billing', 'one');
      await log.saveCheckpoint('billing', checkpointAt(1));
      assert.deepEqual(await log.loadCheckpoint('billing'), checkpointAt(1));
    });

    it('is not outwitted by many who save at the same time', async (log) => {
      const stale = await log.acquired('billing', 'one');
      await log.release(stale);
      const current = await log.acquired('billing', 'two');
      const saves = numbers(1, 10).map((n) =>
        log.saveCheckpoint('billing', checkpointAt(n), n % 2 === 0 ? current : stale),
      );
      const outcomes = await Promise.allSettled(saves);
      assert.deepEqual(
        outcomes.map(({ status }) => status === 'fulfilled'),
        numbers(1, 10).map((n) => n % 2 === 0),
      );
      assert.equal((await log.loadCheckpoint('billing'))!.position % 2, 0);
    });
  },
  ['leases'],
);
