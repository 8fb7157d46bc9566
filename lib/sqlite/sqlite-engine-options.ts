import { resolve } from 'node:path';
import { toMilliseconds } from '../store/values/duration.js';
import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { shown } from '../store/values/names.js';
import { findDriver, type SqliteDriver } from './sqlite-driver.js';

export interface SqliteEngineOptions {
  /** The database file: for this store alone, made if it is not there. Two more lie beside it, `-wal` and `-shm`. */
  readonly file: string;

  /**
   * What an acknowledged append survives: with `'FULL'` a power loss; with `'NORMAL'` the end of the process, but not always
   * a power loss, for five to ten times as many commits a second. Default `'FULL'`.
   */
  readonly synchronous?: 'FULL' | 'NORMAL';

  /** How long a call waits, in milliseconds, while another process writes to the file. Default 5 000. */
  readonly busyTimeoutMs?: number;

  /** How often to look whether another process has appended, in milliseconds, at least 1. Default 100. */
  readonly pollIntervalMs?: number;

  /** Where snapshots are written: a directory for this store alone, made if it is not there. Default none. */
  readonly snapshotDirectory?: string;

  /** How many snapshots are kept; older ones are removed when a new one is complete. At least 1. Default 2. */
  readonly keepSnapshots?: number;

  /**
   * What opens the file: the class `DatabaseSync` of `node:sqlite` or one like it, or that of better-sqlite3. Default what
   * Node has built in (22.13 and later), else the better-sqlite3 that is installed.
   */
  readonly driver?: SqliteDriver;
}

/** The value of every option that was left out, except `file`, `snapshotDirectory` and `driver`. */
export const DEFAULT_SQLITE_ENGINE_OPTIONS = Object.freeze({
  synchronous: 'FULL',
  busyTimeoutMs: 5_000,
  pollIntervalMs: 100,
  keepSnapshots: 2,
} satisfies Partial<SqliteEngineOptions>);

const KNOWN_OPTIONS = [...Object.keys(DEFAULT_SQLITE_ENGINE_OPTIONS), 'file', 'snapshotDirectory', 'driver'];

/** Options that were checked and filled in; paths are absolute. */
export type CheckedSqliteEngineOptions = Required<Omit<SqliteEngineOptions, 'snapshotDirectory'>> &
  Readonly<{ snapshotDirectory: string | undefined }>;

/** @throws {ValidationError} that names the option */
export function checkSqliteEngineOptions(options: SqliteEngineOptions): CheckedSqliteEngineOptions {
  checkMembers(options, 'sqliteEngine', KNOWN_OPTIONS);
  const {
    file,
    synchronous = DEFAULT_SQLITE_ENGINE_OPTIONS.synchronous,
    busyTimeoutMs = DEFAULT_SQLITE_ENGINE_OPTIONS.busyTimeoutMs,
    pollIntervalMs = DEFAULT_SQLITE_ENGINE_OPTIONS.pollIntervalMs,
    snapshotDirectory,
    keepSnapshots = DEFAULT_SQLITE_ENGINE_OPTIONS.keepSnapshots,
    driver,
  } = options;
  if (!['FULL', 'NORMAL'].includes(synchronous)) {
    throw new ValidationError('sqliteEngine.synchronous', `${shown(synchronous)} is neither: take 'FULL' or 'NORMAL'.`);
  }
  if (!Number.isSafeInteger(keepSnapshots) || keepSnapshots < 1) {
    throw new ValidationError('sqliteEngine.keepSnapshots', `${shown(keepSnapshots)} is no whole number above 0.`);
  }
  if (toMilliseconds(pollIntervalMs, 'sqliteEngine.pollIntervalMs') < 1) {
    throw new ValidationError('sqliteEngine.pollIntervalMs', `${pollIntervalMs} is too short: give at least 1.`);
  }
  if (driver !== undefined && typeof driver !== 'function') {
    throw new ValidationError('sqliteEngine.driver', `${shown(driver)} is no class: give one such as DatabaseSync.`);
  }
  return {
    file: toFile(file),
    synchronous,
    busyTimeoutMs: toMilliseconds(busyTimeoutMs, 'sqliteEngine.busyTimeoutMs'),
    pollIntervalMs,
    snapshotDirectory:
      snapshotDirectory === undefined ? undefined : toPath(snapshotDirectory, 'snapshotDirectory', 'a directory'),
    keepSnapshots,
    driver: driver ?? findDriver(),
  };
}

function toFile(file: unknown): string {
  if (file === ':memory:') {
    throw new ValidationError('sqliteEngine.file', '":memory:" keeps nothing: use memoryEngine(), which is faster.');
  }
  return toPath(file, 'file', 'a file');
}

function toPath(path: unknown, option: string, what: string): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new ValidationError(`sqliteEngine.${option}`, `${shown(path)} is no path: give that of ${what}.`);
  }
  // A later process.chdir() must not move the store.
  return resolve(path);
}
