import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { StorageCorruptedError } from '../store/errors.js';
import { storageOf } from './sqlite-errors.js';

const OWNER_ONLY = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;

/**
 * Makes the file, empty, if it is not there, and the directories above it; for their owner only. SQLite gives the files
 * that it makes beside it the same mode.
 *
 * @throws {StorageCorruptedError} when the database is gone, but what was written to it last is still there
 */
export async function makeDatabaseFile(file: string): Promise<void> {
  await makeDirectory(dirname(file));
  if ((await sizeOf(file)) === 0 && (await sizeOf(`${file}-wal`)) > 0) {
    // SQLite would take the database for a new one, and remove the rest of the old one.
    throw new StorageCorruptedError(storageOf(file), `it is empty or missing, but ${file}-wal is not`);
  }
  try {
    const { O_CREAT, O_EXCL, O_RDWR } = constants;
    await (await fs.open(file, O_CREAT | O_EXCL | O_RDWR, OWNER_ONLY)).close();
    await syncDirectory(dirname(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
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

/** @returns 0 also when there is no such file */
async function sizeOf(file: string): Promise<number> {
  try {
    return (await fs.stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
