import {
  EventStoreError,
  StorageCorruptedError,
  StorageFailedError,
  StorageUnavailableError,
} from '../store/values/errors.js';

// Primary result codes, and their texts (SQLite, "Result and Error Codes"). node:sqlite gives the number, better-sqlite3 the
// name, and others only the text now and then.
const BUSY = { number: 5, name: 'SQLITE_BUSY', text: 'database is locked' };
const LOCKED = { number: 6, name: 'SQLITE_LOCKED', text: 'database table is locked' };
const CORRUPT = { number: 11, name: 'SQLITE_CORRUPT', text: 'database disk image is malformed' };
/** An error like others to SQLite: but there is no format beyond the one that it writes. */
const UNKNOWN_FORMAT = 'unsupported file format';
const NO_DATABASE = { number: 26, name: 'SQLITE_NOTADB', text: 'file is not a database' };

function hasCode(error: unknown, { number, name, text }: typeof BUSY): boolean {
  const { errcode, code, message } = error as { errcode?: unknown; code?: unknown; message?: unknown };
  // An extended code has the primary one in its lowest byte, or its name before its own.
  if (typeof errcode === 'number') return (errcode & 0xff) === number;
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return code === name || code.startsWith(`${name}_`);
  return message === text;
}

/** Whether another connection has what the call needs, and will give it back. */
export function isBusy(error: unknown): boolean {
  return hasCode(error, BUSY) || hasCode(error, LOCKED);
}

/** A database, in the words of an error. */
export function storageOf(file: string): string {
  return `SQLite database ${file}`;
}

/** An error of the store for what the driver, or the file system, failed with. Nothing was changed. */
export function toStoreError(error: unknown, file: string): EventStoreError {
  if (error instanceof EventStoreError) return error;
  const storage = storageOf(file);
  if (isBusy(error)) return new StorageUnavailableError(storage, false, error);
  const { name, message = String(error) } = (error ?? {}) as Partial<Error>;
  // What we wrote can be parsed.
  const isUnreadable = name === 'SyntaxError' || message === UNKNOWN_FORMAT;
  if (hasCode(error, CORRUPT) || hasCode(error, NO_DATABASE) || isUnreadable) {
    return new StorageCorruptedError(storage, message, { cause: error });
  }
  return new StorageFailedError(storage, error);
}
