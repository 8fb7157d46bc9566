import { afterEach, describe, expect, it } from '@jest/globals';
import { openEventStore, StorageUnavailableError } from 'nestjs-stream-store';
import type { SqliteDatabase } from 'nestjs-stream-store/sqlite';
import { dataOf, rejectionOf } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { driver, engineOn, newFile } from './sqlite-files.js';

let other: SqliteDatabase | undefined;

afterEach(() => {
  other?.close();
  other = undefined;
});

/** A store, and another connection to its file, as of a process that writes. */
async function openBeside() {
  const file = newFile();
  const clock = new ManualClock();
  const store = await openTestStore({ engine: engineOn(file), clock });
  await store.append('s', { type: 't', data: 1 });
  other = new driver(file);
  return { store, clock, other };
}

describe('while another process writes', () => {
  it('reads are answered, and see what was committed', async () => {
    const { store, other } = await openBeside();
    other.exec('BEGIN IMMEDIATE; DELETE FROM events');

    expect(dataOf(await store.readStream('s'))).toEqual([1]);
    expect((await store.stats()).totalEvents).toBe(1);

    other.exec('ROLLBACK');
  });

  it('an append waits without keeping the event loop waiting, and is kept when the other is done', async () => {
    const { store, other, clock } = await openBeside();
    other.exec('BEGIN IMMEDIATE');
    let isKept = false;
    const append = store.append('s', { type: 't', data: 2 }).then(() => (isKept = true));

    await clock.advance(1_000);
    expect(isKept).toBe(false);
    expect(dataOf(await store.readStream('s'))).toEqual([1]);
    other.exec('COMMIT');
    await clock.advance(100);

    await append;
    expect(dataOf(await store.readStream('s'))).toEqual([1, 2]);
  });

  it('all appends are refused that waited too long, and later ones are kept', async () => {
    const { store, other, clock } = await openBeside();
    other.exec('BEGIN IMMEDIATE');
    const appends = [2, 3].map((data) => rejectionOf(store.append('s', { type: 't', data })));

    await clock.advance(5_100);
    const errors = await Promise.all(appends);
    other.exec('COMMIT');
    await store.append('s', { type: 't', data: 4 });

    for (const error of errors) {
      expect(error).toBeInstanceOf(StorageUnavailableError);
      expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE', isOutcomeUnknown: false });
      expect((error as Error).message).toContain('database is locked');
    }
    expect(dataOf(await store.readStream('s'))).toEqual([1, 4]);
  });

  it('what comes while one waits is kept with it', async () => {
    const { store, other, clock } = await openBeside();
    other.exec('BEGIN IMMEDIATE');
    const first = store.append('s', { type: 't', data: 2 });
    await clock.advance(50);
    const second = store.append('s', { type: 't', data: 3 });
    await clock.advance(50);

    other.exec('COMMIT');
    await clock.advance(100);

    await Promise.all([first, second]);
    expect(dataOf(await store.readStream('s'))).toEqual([1, 2, 3]);
  });

  it('a store that opens waits, and says so when it was too long', async () => {
    const file = newFile();
    const clock = new ManualClock();
    other = new driver(file);
    // A file of no bytes would be damage.
    other.exec('CREATE TABLE something (of TEXT); PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    const opening = rejectionOf(
      openEventStore({ engine: engineOn(file, { busyTimeoutMs: 200 }), clock, startTimeoutMs: 0 }),
    );
    // Before it comes to its database, it looks at its file, which takes real time.
    let error: unknown;
    void opening.then((reason) => (error = reason));
    while (error === undefined) await clock.advance(20);

    expect(error).toBeInstanceOf(StorageUnavailableError);
  });
});
