import { describe, expect, it } from '@jest/globals';
import { type EventStore, openEventStore, StorageFailedError } from 'nestjs-stream-store';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { checkInvariants } from '../support/worlds/invariants.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { driverAround, driverWith, sqliteError } from './driver-around.js';
import { engineOn, newFile } from './sqlite-files.js';

describe('a statement that fails', () => {
  it.each([
    ['before it is run', false],
    ['after it was run', true],
  ])('%s, whichever it is, loses nothing that was acknowledged, and nothing else is kept', async (_, wasRun) => {
    let total = Infinity;
    for (let nth = 1; nth <= total; nth++) {
      const file = newFile();
      let [count, isArmed] = [0, false];
      const driver = driverAround((sql, run) => {
        // What was committed was committed: SQLite does not fail after that.
        const isToFail = isArmed && ++count === nth && !(wasRun && sql === 'COMMIT');
        if (isToFail && !wasRun) throw sqliteError(10, 'disk I/O error');
        const answer = run();
        if (isToFail) throw sqliteError(10, 'disk I/O error');
        return answer;
      });
      const clock = new ManualClock();
      const store = await openTestStore({ engine: engineOn(file, { driver }), clock, retentionDuration: '1h' });
      const kept = await appended(store, 1, 3);
      isArmed = true;
      kept.push(...(await appended(store, 4, 9)));
      await store.readAll().catch(() => undefined);
      isArmed = false;
      total = count >= nth ? Infinity : 0;
      kept.push(...(await appended(store, 10, 11)));

      expect([nth, dataOf((await store.readAll()).events)]).toEqual([nth, kept]);
      await checkInvariants(store);
      await store.close();
      const again = await openTestStore({ engine: engineOn(file), clock });
      expect([nth, dataOf((await again.readAll()).events)]).toEqual([nth, kept]);
      await again.close();
    }
  });

  it('while it rolls back does not keep the database from going on', async () => {
    let isBroken = false;
    const driver = driverAround((sql, run) => {
      if (isBroken && /^(ROLLBACK|INSERT INTO events)/.test(sql)) throw sqliteError(10, 'disk I/O error');
      return run();
    });
    const store = await openTestStore({ engine: engineOn(newFile(), { driver }) });
    isBroken = true;
    expect(await rejectionOf(store.append('s', { type: 't' }))).toBeInstanceOf(StorageFailedError);
    isBroken = false;

    await store.append('s', { type: 't', data: 1 });

    expect(dataOf(await store.readStream('s'))).toEqual([1]);
  });
});

/** Appends numbered events together, to two streams. @returns the numbers of those that were kept, in order */
async function appended(store: EventStore, first: number, last: number): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(
    numbered(first, last).map(async (event) => {
      await store.append(`s-${Number(event.data) % 2}`, event);
      return event.data;
    }),
  );
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
}

describe('a disk that is full', () => {
  it('refuses what has no room, keeps what has, and goes on when there is room again', async () => {
    const file = newFile();
    const store = await openEventStore({
      engine: engineOn(file, { driver: driverWith('PRAGMA max_page_count = 60') }),
    });
    const large = { type: 't', data: 'x'.repeat(1_000_000) };
    const [first, second, third] = await Promise.allSettled([
      store.append('s', { type: 't', data: 1 }),
      store.append('s', large),
      store.append('s', { type: 't', data: 3 }),
    ]);
    await store.close();

    expect([first.status, second.status, third.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((second as PromiseRejectedResult).reason).toBeInstanceOf(StorageFailedError);
    expect(String((second as PromiseRejectedResult).reason)).toContain('full');
    const again = await openTestStore({ engine: engineOn(file) });
    await again.append('s', large);
    expect(dataOf(await again.readStream('s'))).toEqual([1, 3, large.data]);
  });
});

describe('a database that cannot be written', () => {
  it('can be read, and refuses appends with the reason', async () => {
    const file = newFile();
    const writing = await openTestStore({ engine: engineOn(file) });
    await writing.append('s', { type: 't', data: 1 });
    const store = await openTestStore({ engine: engineOn(file, { driver: driverWith('PRAGMA query_only = 1') }) });

    const error = await rejectionOf(store.append('s', { type: 't', data: 2 }));

    expect(error).toBeInstanceOf(StorageFailedError);
    expect((error as Error).message).toMatch(/readonly database.*fix it/);
    expect(dataOf(await store.readStream('s'))).toEqual([1]);
  });
});
