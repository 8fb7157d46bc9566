import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { StorageCorruptedError } from '../store/values/errors.js';
import { migrate } from './migrations/migrate.js';
import { SqliteClient } from './sqlite-client.js';
import type { SqliteDriver } from './sqlite-driver.js';
import type { CheckedSqliteEngineOptions } from './sqlite-engine-options.js';
import { storageOf } from './sqlite-errors.js';

const OWNER_ONLY = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;

/** A database is a whole number of pages, the smallest of which has so many bytes (SQLite, "Database File Format"). */
const SMALLEST_DATABASE_BYTES = 512;

/**
 * Makes the database if it is not there, and the directories above it; for their owner only. SQLite gives the files that it
 * makes beside it the same mode.
 *
 * It gets its name when it is complete, so that a file of a few bytes is never one that is just being made.
 *
 * @throws {StorageCorruptedError} when the database is gone or cut off, but what was written to it last is still there; or
 *   when it has too few bytes to be one. SQLite would take it for a new one
 */
export async function makeDatabaseFile({ driver, file }: CheckedSqliteEngineOptions): Promise<void> {
  await makeDirectory(dirname(file));
  const size = await sizeOf(file);
  if ((size ?? 0) === 0 && ((await sizeOf(`${file}-wal`)) ?? 0) > 0) {
    throw new StorageCorruptedError(storageOf(file), `it is empty or missing, but ${file}-wal is not`);
  }
  if (size === undefined) {
    await make(driver, file);
  } else if (size < SMALLEST_DATABASE_BYTES) {
    const reason = `it has ${size} bytes, too few for a database; if it was never one, remove it`;
    throw new StorageCorruptedError(storageOf(file), reason);
  }
}

async function make(driver: SqliteDriver, file: string): Promise<void> {
  const temporary = `${file}-${randomBytes(8).toString('hex')}.tmp`;
  const { O_CREAT, O_EXCL, O_RDWR } = constants;
  await (await fs.open(temporary, O_CREAT | O_EXCL | O_RDWR, OWNER_ONLY)).close();
  try {
    const client = new SqliteClient(new driver(temporary), temporary);
    try {
      // It is synced as a whole. A journal would be another file.
      client.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF');
      migrate(client);
    } finally {
      client.close();
    }
    await syncFile(temporary);
    await giveName(temporary, file);
    await syncDirectory(dirname(file));
  } finally {
    await fs.rm(temporary, { force: true });
  }
}

/** To the first of several processes that make it at the same time. */
async function giveName(temporary: string, file: string): Promise<void> {
  try {
    await fs.link(temporary, file);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    // A file system without hard links: the others of this moment would have opened what is replaced, and see that.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
    await fs.rename(temporary, file);
  }
}

/** Makes a directory, and those above it, so that they outlast a power loss. New ones are for their owner only. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await fs.mkdir(path, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

/** Resolves when the names in a directory outlast a power loss. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows does not open directories; NTFS has a journal for its names.
  if (process.platform !== 'win32') await syncFile(path);
}

/** Resolves when what was written to a file outlasts a power loss. */
export async function syncFile(path: string): Promise<void> {
  const handle = await fs.open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @returns undefined when there is no such file; what else has this name counts as large */
async function sizeOf(file: string): Promise<number | undefined> {
  try {
    const stat = await fs.stat(file);
    return stat.isFile() ? stat.size : Infinity;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
