import * as fs from 'node:fs/promises';
import { StorageCorruptedError } from '../../store/values/errors.js';
import { checkOwner } from '../migrations/migrate.js';
import { findSeal, isSealed, removeSeal, type SealPlace } from '../queries/seal.js';
import { SqliteClient } from '../sqlite-client.js';
import type { SqliteDriver } from '../sqlite-driver.js';
import { storageOf } from '../sqlite-errors.js';
import { checksumOf } from './file-checksum.js';

/**
 * Writes the checksum into a snapshot that is complete, closed, and not yet where anybody looks for one.
 *
 * It is part of the file, so that it goes wherever the snapshot is copied to.
 */
export async function sealSnapshot(path: string, place: SealPlace): Promise<void> {
  const file = await fs.open(path, 'r+');
  try {
    const { computed, offset } = (await checksumOf(file, place))!;
    await file.write(Buffer.from(computed, 'latin1'), 0, computed.length, offset);
  } finally {
    await file.close();
  }
}

/** Whether a file is a snapshot exactly as it was written. Not to be asked of a database that this process has open. */
export async function isIntactSnapshot(driver: SqliteDriver, path: string): Promise<boolean> {
  try {
    const place = withClient(driver, path, (client) => (isSealed(client) ? findSeal(client) : undefined));
    return place !== undefined && (await problemOf(path, place)) === undefined;
  } catch {
    // So damaged that it is no database any more, or gone.
    return false;
  }
}

/** The one that is under way in this process. Closing a file takes away the locks that its process has on it (POSIX,
 * `fcntl`), so no other store of this process may have opened the database before its bytes were read and it was closed. */
let lastUnsealing: Promise<unknown> = Promise.resolve();

/**
 * Makes a database of a snapshot that was put in the place of one, when it is as it was written. Several processes may do so
 * at the same time, and each may be killed while it does.
 *
 * @param retry tries again while another process has the lock
 * @throws {StorageCorruptedError} when it is not
 * @throws {StorageTooNewError} when it is, and a later version of this package has written it
 */
export function unsealSnapshot(
  driver: SqliteDriver,
  path: string,
  retry: <T>(work: () => T) => T | Promise<T>,
): Promise<void> {
  const ask = async <T>(question: (client: SqliteClient) => T): Promise<T> =>
    retry(() => withClient(driver, path, question));
  const unsealing = lastUnsealing.then(async () => {
    if (!(await ask(isSealed))) return;
    const place = await ask(findSeal);
    const problem = place ? await problemOf(path, place) : 'it is a snapshot without a checksum';
    // Another process may have been faster, and its store write to the database already.
    if (problem !== undefined && (await ask(isSealed))) throw new StorageCorruptedError(storageOf(path), problem);
    await ask((client) => {
      checkOwner(client, path);
      client.writing(() => isSealed(client) && removeSeal(client));
    });
  });
  lastUnsealing = unsealing.catch(() => undefined);
  return unsealing;
}

async function problemOf(path: string, place: SealPlace): Promise<string | undefined> {
  const file = await fs.open(path, 'r');
  try {
    const checksum = await checksumOf(file, place);
    if (checksum === undefined) return 'it is a snapshot without a checksum';
    if (checksum.written === checksum.computed) return undefined;
    return `it is a snapshot whose checksum does not fit: it says ${checksum.written}, and is ${checksum.computed}`;
  } finally {
    await file.close();
  }
}

function withClient<T>(driver: SqliteDriver, path: string, ask: (client: SqliteClient) => T): T {
  const client = new SqliteClient(new driver(path), path);
  try {
    client.exec('PRAGMA busy_timeout = 0');
    return ask(client);
  } finally {
    client.close();
  }
}
