import { copyFileSync, existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { LastSnapshotFailedError, openEventStore, SnapshotDiskError } from 'nestjs-stream-store';
import type { SqliteEngineOptions } from 'nestjs-stream-store/sqlite';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingLogger } from '../support/recorders.js';
import { driverAround, sqliteError } from './driver-around.js';
import { engineOn, newFile } from './sqlite-files.js';

async function openWithSnapshots(options: Partial<SqliteEngineOptions> = {}) {
  const file = newFile();
  const snapshotDirectory = join(dirname(file), 'snapshots');
  const open = () => openTestStore({ engine: engineOn(file, { snapshotDirectory, ...options }) });
  const files = () => (existsSync(snapshotDirectory) ? readdirSync(snapshotDirectory).sort() : []);
  return { store: await open(), open, snapshotDirectory, files };
}

describe('a snapshot', () => {
  it('is a database that a store can be opened on', async () => {
    const { store } = await openWithSnapshots();
    await store.append('a', numbered(1, 2_500));
    await store.append('b', { type: 't', data: { x: 1 }, metadata: { y: 2 }, timestamp: 5, id: 'mine' });
    const { location, events, streams, bytes } = await store.snapshot();
    const restored = newFile();
    copyFileSync(location!, restored);
    const copy = await openTestStore({ engine: engineOn(restored) });

    expect([events, streams, bytes]).toEqual([2_501, 2, statSync(location!).size]);
    expect((await copy.readAll({ limit: 0 })).events).toEqual((await store.readAll({ limit: 0 })).events);
    expect(await copy.getStreams()).toEqual(await store.getStreams());
    expect(await copy.append('b', { type: 't' }, { expectedRevision: 1 })).toMatchObject({ globalPosition: 2_502 });
  });

  it('holds what there was at one moment, and appends go on meanwhile', async () => {
    const { store } = await openWithSnapshots();
    await store.append('s', numbered(1, 20_000));
    let isWriting = true;
    let appended = 0;
    const writing = store.snapshot().finally(() => (isWriting = false));
    while (isWriting) {
      await store.append('s', numbered(1, 3));
      appended += 3;
    }
    const { location, events } = await writing;
    const copy = await openTestStore({ engine: engineOn(copyOf(location!)) });

    expect(appended).toBeGreaterThan(10);
    expect(events).toBeLessThan(20_000 + appended);
    expect((events - 20_000) % 3).toBe(0);
    expect((await copy.stats()).totalEvents).toBe(events);
  });

  it('keeps checkpoints, and where a trimmed log goes on', async () => {
    const { store, snapshotDirectory } = await openWithSnapshots();
    const engine = engineOn(newFile(), { snapshotDirectory });
    const other = await openTestStore({ engine, snapshotInterval: 0 });
    await store.close();
    await other.append('s', numbered(1, 5));
    await engine.saveCheckpoint('billing', { position: 3, ahead: [], attempts: [], parked: [], isRunning: false });
    await engine.trim({ recordedBefore: Infinity, upTo: Infinity, limit: 5 });
    const { location, events } = await other.snapshot();

    const copied = engineOn(copyOf(location!));
    const copy = await openTestStore({ engine: copied });

    expect(events).toBe(0);
    expect(await copied.loadCheckpoint('billing')).toMatchObject({ position: 3 });
    expect(await copy.append('s', { type: 't' })).toMatchObject({ revision: 6, globalPosition: 6 });
  });

  it('is for its owner only', async () => {
    const { store, snapshotDirectory } = await openWithSnapshots();
    await store.append('s', { type: 't' });
    const { location } = await store.snapshot();

    expect((statSync(location!).mode & 0o777).toString(8)).toBe('600');
    expect((statSync(snapshotDirectory).mode & 0o777).toString(8)).toBe('700');
  });

  it('makes the oldest one go when there are enough', async () => {
    const { store, files } = await openWithSnapshots({ keepSnapshots: 2 });
    const ids: string[] = [];
    for (let n = 1; n <= 4; n++) {
      await store.append('s', { type: 't', data: n });
      ids.push((await store.snapshot()).id);
    }

    expect(files().map((name) => name.slice(26, -3))).toEqual(ids.slice(2));
  });

  it('is written when the store closes, unless nothing has changed since the last one', async () => {
    const { store, open, files } = await openWithSnapshots();
    await store.append('s', { type: 't' });
    await store.close();
    expect(files()).toHaveLength(1);

    const again = await open();
    await again.close();
    expect(files()).toHaveLength(1);

    const third = await open();
    await third.append('s', { type: 't' });
    await third.close();
    expect(files()).toHaveLength(2);
  });

  it('that fails leaves nothing of itself, and those that were there', async () => {
    let isBroken = false;
    const driver = driverAround((sql, run) => {
      if (isBroken && sql.startsWith('INSERT INTO main.events')) throw sqliteError(13, 'database or disk is full');
      return run();
    });
    const { store, files } = await openWithSnapshots({ driver });
    await store.append('s', { type: 't', data: 1 });
    await store.snapshot();
    const before = files();
    isBroken = true;
    await store.append('s', { type: 't', data: 2 });

    const error = await rejectionOf(store.snapshot());
    isBroken = false;

    expect(error).toBeInstanceOf(SnapshotDiskError);
    expect(files()).toEqual(before);
    expect(dataOf(await store.readStream('s'))).toEqual([1, 2]);
    await store.append('s', { type: 't', data: 3 });
    expect((await store.snapshot()).events).toBe(3);
  });

  it('that was begun and never finished is removed when it is old; other files are left alone', async () => {
    const { store, snapshotDirectory, files } = await openWithSnapshots();
    await store.append('s', { type: 't' });
    await store.snapshot();
    const [old, young] = ['a', 'b'].map((digit) => `snapshot-${digit.repeat(8)}-0000-7000-8000-000000000000.tmp`);
    for (const name of [old, young, 'notes.txt']) writeFileSync(join(snapshotDirectory, name), '');
    utimesSync(join(snapshotDirectory, old), 0, 0);

    await store.snapshot();

    expect(files()).toEqual(expect.arrayContaining([young, 'notes.txt']));
    expect(files()).not.toContain(old);
  });

  it('goes to a directory that may not be there yet, but must be one', async () => {
    const file = newFile();
    writeFileSync(join(dirname(file), 'taken'), '');
    const engine = engineOn(file, { snapshotDirectory: join(dirname(file), 'taken/snapshots') });
    const store = await openEventStore({ engine, logger: new RecordingLogger() });
    await store.append('s', { type: 't' });

    expect(await rejectionOf(store.snapshot())).toBeInstanceOf(SnapshotDiskError);
    expect(await rejectionOf(store.close())).toBeInstanceOf(LastSnapshotFailedError);
  });
});

/** A copy at a place where a database may be opened, which writes beside it. */
function copyOf(snapshot: string): string {
  const file = newFile();
  copyFileSync(snapshot, file);
  return file;
}
