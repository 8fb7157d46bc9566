import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { SnapshotDirectoryInUseError, SnapshotDiskError } from '../../store/values/errors.js';
import { type Disk, type DiskFile, readAll, writeAll } from './disk.js';
import { failedWith } from './disk-errors.js';
import type { ProcessIdentity, ProcessTable } from '../../store/services/process-table.js';

const LOCK = /^lock-(\d{12})$/;
const TEMPORARY = /^lock-[0-9a-f]{16}\.tmp$/;

/** Each attempt after the first means that somebody else got on; so many in a row mean that the disk does not tell. */
const MOST_ATTEMPTS = 1_000;

/** Who wrote a lock file. */
interface Owner extends ProcessIdentity {
  readonly token: string;
}

/**
 * Keeps a directory for one store at a time, among all processes of a computer.
 *
 * Lock files are numbered, and the one with the highest number counts. While it names a process that lives, it holds the
 * directory; an empty or torn one holds nothing. Who finds the directory free makes the next number: a hard link to a
 * file that is complete already, so that the name appears together with its content, and to one of several contenders
 * only. Who gives the directory back empties the file and leaves it.
 *
 * A stale lock is never removed to make room, as two who found it stale would remove each other's. Removed are only
 * numbers below the highest, and by its owner only. So a slow contender who makes a number that was used and removed
 * meanwhile finds a higher one beside it, and begins anew.
 */
export class DirectoryLock {
  private constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly number: number,
    private readonly file: DiskFile,
    /** The process that held the directory before and ended without giving it back. */
    readonly tookOverFrom: ProcessIdentity | undefined,
  ) {}

  /**
   * @param token tells this store from others in the same process; a lock with this token was left behind by an earlier
   *   attempt of it
   * @throws {SnapshotDirectoryInUseError}
   * @throws {SnapshotDiskError}
   */
  static async acquire(disk: Disk, directory: string, processes: ProcessTable, token: string): Promise<DirectoryLock> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const highest = highestOf(await disk.list(directory));
      const owner = highest === 0 ? undefined : await ownerOf(disk, directory, highest);
      if (owner === 'removed') continue;
      if (owner && owner.token !== token && processes.isAlive(owner)) throw inUse(directory, owner, highest);
      const number = highest + 1;
      const file = await make(disk, directory, number, { ...processes.self, token });
      if (!file) continue;
      try {
        const names = await disk.list(directory);
        if (highestOf(names) === number) {
          await removeOthers(disk, directory, names, number);
          return new DirectoryLock(disk, directory, number, file, owner && owner.token !== token ? owner : undefined);
        }
      } catch (error) {
        await giveBack(file).catch(() => undefined);
        throw error;
      }
      await removeIfThere(disk, join(directory, nameOf(number)));
      await file.close();
    }
    throw inUse(directory, undefined, highestOf(await disk.list(directory)));
  }

  /**
   * Sees that nobody has taken the directory over.
   *
   * @param names what lies in the directory
   * @throws {SnapshotDirectoryInUseError}
   */
  async check(names: readonly string[]): Promise<void> {
    const highest = highestOf(names);
    if (highest === this.number) return;
    const owner = highest === 0 ? undefined : await ownerOf(this.disk, this.directory, highest);
    throw inUse(this.directory, owner === 'removed' ? undefined : owner, highest);
  }

  /** Gives the directory back. */
  release(): Promise<void> {
    return giveBack(this.file);
  }
}

function nameOf(number: number): string {
  return `lock-${String(number).padStart(12, '0')}`;
}

/** 0 when there is no lock file. */
function highestOf(names: readonly string[]): number {
  return names.reduce((highest, name) => Math.max(highest, Number(LOCK.exec(name)?.[1] ?? 0)), 0);
}

/** Undefined when the file names nobody. */
async function ownerOf(disk: Disk, directory: string, number: number): Promise<Owner | undefined | 'removed'> {
  let file: DiskFile;
  try {
    file = await disk.open(join(directory, nameOf(number)));
  } catch (error) {
    if (failedWith(error, 'ENOENT')) return 'removed';
    throw error;
  }
  try {
    const content = Buffer.alloc(4_096);
    return parseOwner(content.toString('utf8', 0, await readAll(file, content, 0)));
  } finally {
    await file.close();
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Owner;
    return Number.isSafeInteger(owner.pid) && owner.pid > 0 ? owner : undefined;
  } catch {
    // A file that appears with its content is torn only after the computer went down, and its owner with it.
    return undefined;
  }
}

/** @returns undefined when somebody else was faster */
async function make(disk: Disk, directory: string, number: number, owner: Owner): Promise<DiskFile | undefined> {
  const temporary = join(directory, `lock-${randomBytes(8).toString('hex')}.tmp`);
  const file = await disk.create(temporary);
  let isMade = false;
  try {
    await writeAll(file, [Buffer.from(JSON.stringify(owner))], 0);
    await disk.link(temporary, join(directory, nameOf(number)));
    isMade = true;
  } catch (error) {
    // ENOENT: the one who was faster has cleaned up.
    if (!failedWith(error, 'EEXIST') && !failedWith(error, 'ENOENT')) throw withoutHardLinks(error, directory);
  } finally {
    // The name is random, so what stays behind is in nobody's way; the next owner removes it.
    await disk.unlink(temporary).catch(() => undefined);
    // Emptied too: a link that was refused with an error may have been made.
    if (!isMade) await giveBack(file).catch(() => undefined);
  }
  return isMade ? file : undefined;
}

function withoutHardLinks(error: unknown, directory: string): unknown {
  const isMissing = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].some((code) => failedWith(error, code));
  if (!isMissing || (error as SnapshotDiskError).operation !== 'link') return error;
  return new SnapshotDiskError('lock', directory, new Error('its file system has no hard links', { cause: error }));
}

/** Removes what is left of earlier owners, and of contenders, who begin anew. */
async function removeOthers(disk: Disk, directory: string, names: readonly string[], own: number): Promise<void> {
  for (const name of names) {
    const number = Number(LOCK.exec(name)?.[1] ?? 0);
    if (TEMPORARY.test(name) || (number > 0 && number < own)) await removeIfThere(disk, join(directory, name));
  }
}

async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (error) {
    if (!failedWith(error, 'ENOENT')) throw error;
  }
}

async function giveBack(file: DiskFile): Promise<void> {
  try {
    // Through the open file: should somebody have cleaned up by hand, no lock of another store is hit. And it takes no
    // space, which may be what is missing.
    await file.empty();
  } finally {
    await file.close();
  }
}

function inUse(directory: string, owner: ProcessIdentity | undefined, number: number): SnapshotDirectoryInUseError {
  return new SnapshotDirectoryInUseError(directory, owner?.pid, owner?.host, join(directory, nameOf(number)));
}
