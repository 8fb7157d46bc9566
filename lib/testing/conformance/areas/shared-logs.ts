import assert from 'node:assert/strict';
import { LeaseLostError, WrongExpectedRevisionError } from '../../../store/values/errors.js';
import { area } from '../conformance-case.js';
import { dataOf, numbered, numbers } from '../event-drafts.js';
import { checkpointAt } from './checkpoints.js';

export const sharedLogs = area(
  'two engines on one log',
  (it) => {
    it('see at once what the other has appended', async (one) => {
      const two = await one.another();
      await one.append('s', { data: 1 });
      assert.deepEqual(dataOf(await two.stream('s')), [1]);
      await two.append('s', { data: 2 });
      assert.deepEqual(dataOf(await one.stream('s')), [1, 2]);
      assert.deepEqual(dataOf(await one.log()), dataOf(await two.log()));
    });

    it('go on counting where the other has stopped', async (one) => {
      const two = await one.another();
      for (let n = 1; n <= 10; n++) {
        const { firstPosition } = await (n % 2 === 0 ? one : two).append('s', { data: n }, n - 1);
        assert.equal(firstPosition, n);
      }
    });

    it('let one of several writers win who saw the same revision', async (one) => {
      const two = await one.another();
      for (let revision = 0; revision < 5; revision++) {
        const outcomes = await Promise.allSettled(
          numbers(1, 8).map((n) => (n % 2 === 0 ? one : two).append('s', { data: n }, revision)),
        );
        const losses = outcomes.flatMap((outcome) =>
          outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
        );
        assert.equal(losses.length, 7);
        for (const error of losses) assert.ok(error instanceof WrongExpectedRevisionError, String(error));
      }
    });

    it('recognise a retry of what the other has stored', async (one) => {
      const two = await one.another();
      const batch = [{ id: 'a' }, { id: 'b' }];
      const first = await one.append('s', batch, 0);
      assert.deepEqual({ ...(await two.append('s', batch, 0)), repeated: false }, { ...first });
    });

    it('lose nothing of what both append at the same time', async (one) => {
      const two = await one.another();
      await Promise.all(
        numbers(1, 60).map((n) => (n % 2 === 0 ? one : two).append(`s-${n % 5}`, numbered(1, 1 + (n % 3)))),
      );
      assert.equal((await two.log()).length, 120);
    });

    it('never show an event while one with a smaller global position can still appear', async (one) => {
      const two = await one.another();
      let isWriting = true;
      const writing = Promise.all(
        [one, two].flatMap((log, engine) =>
          numbers(1, 3).map(async (writer) => {
            for (let n = 0; n < 15; n++) await log.append(`s-${engine}-${writer}`, numbered(1, 1 + (n % 3)));
          }),
        ),
      ).finally(() => (isWriting = false));
      const seen: number[] = [];
      for (let after = 0, isEnd = false; isWriting || !isEnd;) {
        const page = await two.logPage({ after, limit: 7 });
        seen.push(...page.events.map(({ globalPosition }) => globalPosition));
        ({ globalPosition: after, isEnd } = page);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await writing;
      const rest = (await two.log({ after: seen.at(-1) ?? 0 })).map(({ globalPosition }) => globalPosition);
      assert.deepEqual(
        seen.concat(rest),
        (await one.log()).map(({ globalPosition }) => globalPosition),
      );
    });

    it('never read a part of what the other is appending', async (one) => {
      const two = await one.another();
      let isWriting = true;
      const writing = (async () => {
        for (let n = 0; n < 15; n++) await one.append('s', numbered(1, 20));
      })().finally(() => (isWriting = false));
      while (isWriting) {
        assert.equal((await two.stream('s')).length % 20, 0);
        assert.equal((await two.usage()).events % 20, 0);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await writing;
    });

    it('hold the limits together', { maxEventsPerStream: 5, maxStreams: 3 }, async (one) => {
      const two = await one.another();
      const byTurns = (n: number) => (n % 2 === 0 ? one : two);
      await Promise.allSettled(numbers(1, 10).map((n) => byTurns(n).append('s', { data: n })));
      assert.equal((await one.stream('s')).length, 5);
      await Promise.allSettled(numbers(1, 10).map((n) => byTurns(n).append(`s-${n}`, { data: n })));
      assert.equal((await two.streams()).length, 3);
    });

    it('see what the other has trimmed', async (one) => {
      const two = await one.another();
      await one.append('s', numbered(1, 5));
      assert.equal((await two.stream('s')).length, 5);
      await two.trim({ limit: 3 });
      assert.deepEqual(dataOf(await one.stream('s')), [4, 5]);
      assert.equal((await one.append('s', { data: 6 })).firstPosition, 6);
    });

    it('never record an event as earlier than one of the other’s', async (one) => {
      const two = await one.another();
      await one.append('s', { data: 1 });
      one.clock.adjust(-3_600_000);
      await two.append('s', { data: 2 });
      await one.append('s', { data: 3 });
      const times = (await one.log()).map(({ recordedAt }) => recordedAt.getTime());
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
    });

    it('see the other’s checkpoints', async (one) => {
      const two = await one.another();
      await one.saveCheckpoint('billing', checkpointAt(1));
      assert.deepEqual(await two.loadCheckpoint('billing'), checkpointAt(1));
      await two.removeCheckpoint('billing');
      assert.equal(await one.loadCheckpoint('billing'), undefined);
    });

    it('give a lease to one holder between them', async (one) => {
      const two = await one.another();
      const answers = await Promise.all(
        numbers(1, 8).map((n) => (n % 2 === 0 ? one : two).acquire('billing', `holder-${n}`)),
      );
      const [lease, ...more] = answers.filter((answer) => answer !== undefined);
      assert.equal(more.length, 0);
      assert.deepEqual(await one.leases(), [lease]);
      assert.deepEqual(await two.leases(), [lease]);
    });

    it('keep out who lost a lease to a holder at the other', async (one) => {
      const two = await one.another();
      const stale = await one.acquired('billing', 'one');
      await two.release(stale);
      const current = await two.acquired('billing', 'two');
      assert.ok(current.token > stale.token);
      await assert.rejects(one.saveCheckpoint('billing', checkpointAt(1), stale), LeaseLostError);
      await two.saveCheckpoint('billing', checkpointAt(2), current);
      assert.deepEqual(await one.loadCheckpoint('billing'), checkpointAt(2));
    });

    it('go on when the other is closed', async (one) => {
      const two = await one.another();
      await two.append('s', { data: 1 });
      await two.close();
      await one.append('s', { data: 2 });
      assert.deepEqual(dataOf(await one.stream('s')), [1, 2]);
    });

    it('give a hint when the other has appended, if they give hints', async (one) => {
      if (!one.engine.onAppended) return;
      const two = await one.another();
      let hints = 0;
      const stop = one.engine.onAppended(() => void hints++);
      await two.append('s', { data: 1 });
      await one.until('a hint comes', async () => hints > 0);
      stop();
    });

    it('give no hint any more when nobody wants one', async (one) => {
      if (!one.engine.onAppended) return;
      const two = await one.another();
      let [stopped, wanted] = [0, 0];
      const stopFirst = one.engine.onAppended(() => void stopped++);
      const stopSecond = one.engine.onAppended(() => void wanted++);
      stopFirst();
      stopFirst();
      await two.append('s', { data: 1 });
      await one.until('a hint comes', async () => wanted > 0);
      stopSecond();
      assert.equal(stopped, 0);
    });
  },
  ['leases', 'createAnother'],
);
