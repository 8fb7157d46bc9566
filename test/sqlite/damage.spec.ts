import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { openEventStore, StorageCorruptedError, StorageTooNewError, ValidationError } from 'nestjs-stream-store';
import { numbered, rejectionOf } from '../support/events.js';
import { driver, engineOn, newFile } from './sqlite-files.js';

/** A database with 2 000 events that nobody has open. */
async function filledFile(): Promise<string> {
  const [file, copy] = [newFile(), newFile()];
  const store = await openEventStore({ engine: engineOn(file) });
  await store.append('s', numbered(1, 2_000));
  await store.close();
  // The driver of the tests does not let go of a file at once, and so leaves it as a killed process does.
  change(file, 'PRAGMA wal_checkpoint(TRUNCATE)');
  writeFileSync(copy, readFileSync(file));
  return copy;
}

const opening = (file: string): Promise<unknown> => rejectionOf(openEventStore({ engine: engineOn(file) }));

function change(file: string, sql: string): void {
  const database = new driver(file);
  database.exec(sql);
  database.close();
}

describe('a store does not open', () => {
  it('a file that is no database, and leaves it as it is', async () => {
    const file = newFile();
    writeFileSync(file, 'This is a letter, and it is long enough to have a header of a hundred bytes.'.repeat(10));

    const error = await opening(file);

    expect(error).toBeInstanceOf(StorageCorruptedError);
    expect(error).toMatchObject({ code: 'STORAGE_CORRUPTED', storage: `SQLite database ${file}` });
    expect((error as Error).message).toContain('file is not a database');
    expect(readFileSync(file, 'utf8')).toMatch(/^This is a letter/);
  });

  it('a database that was cut off', async () => {
    const file = await filledFile();
    truncateSync(file, 40_960);

    expect(await opening(file)).toBeInstanceOf(StorageCorruptedError);
  });

  it('a database whose beginning was overwritten', async () => {
    const file = await filledFile();
    overwrite(file, 0, 4_096);

    expect(await opening(file)).toBeInstanceOf(StorageCorruptedError);
  });

  it.each([0, 1, 16, 511])('a file of %d bytes, and leaves it as it is', async (size) => {
    const file = await filledFile();
    truncateSync(file, size);

    const error = await opening(file);

    expect(error).toBeInstanceOf(StorageCorruptedError);
    expect((error as Error).message).toContain(`it has ${size} bytes`);
    expect(readFileSync(file)).toHaveLength(size);
  });

  it('an empty file beside what was written last', async () => {
    const file = await fileOfKilledProcess();
    truncateSync(file, 0);

    expect(await opening(file)).toBeInstanceOf(StorageCorruptedError);
    expect(existsSync(`${file}-wal`)).toBe(true);
  });

  it('a file that is gone, beside what was written last', async () => {
    const file = await fileOfKilledProcess();
    renameSync(file, `${file}.moved`);

    expect(await opening(file)).toBeInstanceOf(StorageCorruptedError);
    expect(existsSync(file)).toBe(false);
  });

  it('a database of a later version', async () => {
    const file = await filledFile();
    change(file, 'PRAGMA user_version = 7');

    const error = await opening(file);

    expect(error).toBeInstanceOf(StorageTooNewError);
    expect(error).toMatchObject({ version: 7, supported: 3 });
  });

  it('a database of another program, and leaves it as it is', async () => {
    const file = newFile();
    change(file, 'CREATE TABLE letters (text)');
    const before = readFileSync(file);

    const error = await opening(file);

    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ field: 'sqliteEngine.file' });
    expect(readFileSync(file)).toEqual(before);
  });
});

describe('a store that was opened', () => {
  it('says that a page is damaged when it comes to it', async () => {
    const file = await filledFile();
    overwrite(file, 10 * 4_096, 20 * 4_096);
    const store = await openEventStore({ engine: engineOn(file) });

    expect(await rejectionOf(store.readStream('s'))).toBeInstanceOf(StorageCorruptedError);
    await store.close();
  });

  it('says that an event is missing, rather than leave it out', async () => {
    const file = await filledFile();
    change(file, 'DELETE FROM events WHERE global_position = 7');
    const store = await openEventStore({ engine: engineOn(file) });

    for (const read of [
      () => store.readStream('s', 0, { limit: 10 }),
      () => store.readAll(),
      () => store.readAll({ filter: { types: ['none'] } }),
    ]) {
      const error = await rejectionOf(read());
      expect(error).toBeInstanceOf(StorageCorruptedError);
      expect((error as Error).message).toMatch(/missing/);
    }
    expect((await store.readStream('s', 7, { limit: 10 })).length).toBe(10);
    await store.close();
  });

  it('says that the data of an event is damaged', async () => {
    const file = await filledFile();
    change(file, `UPDATE events SET data = '{"cut' WHERE global_position = 7`);
    const store = await openEventStore({ engine: engineOn(file) });

    expect(await rejectionOf(store.readStream('s', 0, { limit: 10 }))).toBeInstanceOf(StorageCorruptedError);
    await store.close();
  });
});

function overwrite(file: string, from: number, to: number): void {
  const handle = openSync(file, 'r+');
  writeSync(handle, Buffer.alloc(to - from, 0xa5), 0, to - from, from);
  closeSync(handle);
}

/** A database as a process leaves it that does not close it: a part of it is in the write-ahead log. */
async function fileOfKilledProcess(): Promise<string> {
  const [file, copy] = [newFile(), newFile()];
  const store = await openEventStore({ engine: engineOn(file) });
  await store.append('s', numbered(1, 100));
  for (const end of ['', '-wal']) writeFileSync(`${copy}${end}`, readFileSync(`${file}${end}`));
  await store.close();
  return copy;
}
