import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.js';
import { failedWith } from './disk-errors.js';
import { DirectoryLock } from './directory-lock.js';
import type { ProcessIdentity, ProcessTable } from '../../store/services/process-table.js';

// No name comes from outside; the number says which snapshot is newer, as clocks can go back.
const SNAPSHOT = /^snapshot-(\d{12})\.bin$/;
const TEMPORARY = /^snapshot-\d{12}\.tmp$/;

/** A snapshot in the directory. */
export interface StoredSnapshot {
  readonly number: number;
  readonly path: string;
}

/**
 * The directory of one store: which snapshots lie in it, and how a new one comes and an old one goes.
 *
 * Other files in it are left alone.
 */
export class SnapshotDirectory {
  #lastNumber = 0;

  private constructor(
    private readonly disk: Disk,
    readonly path: string,
    private readonly lock: DirectoryLock,
  ) {}

  /**
   * Takes the directory for one store, and makes it if need be.
   *
   * @param token tells this store from others in the same process
   * @throws {SnapshotDirectoryInUseError}
   * @throws {SnapshotDiskError}
   */
  static async open(disk: Disk, path: string, processes: ProcessTable, token: string): Promise<SnapshotDirectory> {
    await disk.makeDirectory(path);
    return new SnapshotDirectory(disk, path, await DirectoryLock.acquire(disk, path, processes, token));
  }

  /** The process that held the directory before and ended without giving it back. */
  get tookOverFrom(): ProcessIdentity | undefined {
    return this.lock.tookOverFrom;
  }

  /** All snapshots, newest first. Removes what was begun and never finished. */
  async snapshots(): Promise<StoredSnapshot[]> {
    const names = await this.disk.list(this.path);
    for (const name of names) if (TEMPORARY.test(name)) await this.#remove(join(this.path, name));
    const found = snapshotsAmong(names, this.path);
    this.#lastNumber = Math.max(this.#lastNumber, found[0]?.number ?? 0);
    return found;
  }

  openFile({ path }: StoredSnapshot): Promise<DiskFile> {
    return this.disk.open(path);
  }

  /**
   * Adds a snapshot: under another name until it is complete and outlasts a power loss, so that under its own name there
   * is never a part of one.
   *
   * @param write fills the file
   * @throws {SnapshotDirectoryInUseError} when another store has taken the directory over
   * @throws {SnapshotDiskError} then there is no new snapshot, or one that may not outlast a power loss
   */
  async add<T>(write: (file: DiskFile) => Promise<T>): Promise<{ snapshot: StoredSnapshot; written: T }> {
    // Never the same number twice: what became of the file before is not known when the disk failed.
    const number = ++this.#lastNumber;
    const name = `snapshot-${String(number).padStart(12, '0')}`;
    const temporary = join(this.path, `${name}.tmp`);
    const snapshot = { number, path: join(this.path, `${name}.bin`) };
    try {
      const written = await this.#fill(temporary, write);
      await this.lock.check(await this.disk.list(this.path));
      await this.disk.rename(temporary, snapshot.path);
      await this.disk.syncDirectory(this.path);
      return { snapshot, written };
    } catch (error) {
      // Gives its space back at once; what stays is removed when the directory is opened next.
      await this.disk.unlink(temporary).catch(() => undefined);
      throw error;
    }
  }

  async #fill<T>(temporary: string, write: (file: DiskFile) => Promise<T>): Promise<T> {
    const file = await this.disk.create(temporary);
    let written: T;
    try {
      written = await write(file);
      await file.sync();
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
    await file.close();
    return written;
  }

  /**
   * Removes all snapshots but the newest.
   *
   * @param keep how many stay; damaged ones do not count, and go when they are older than all that stay
   */
  async keepNewest(keep: number, damaged: ReadonlySet<string>): Promise<void> {
    const found = snapshotsAmong(await this.disk.list(this.path), this.path);
    const intact = found.filter(({ path }) => !damaged.has(path));
    const oldestKept = intact[Math.min(keep, intact.length) - 1];
    for (const { number, path } of found) {
      if (oldestKept && number < oldestKept.number) await this.#remove(path);
    }
  }

  async removeAll(): Promise<void> {
    for (const { path } of snapshotsAmong(await this.disk.list(this.path), this.path)) await this.#remove(path);
  }

  /** Gives the directory back. */
  close(): Promise<void> {
    return this.lock.release();
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.disk.unlink(path);
    } catch (error) {
      // Somebody who cleans up by hand may be faster.
      if (!failedWith(error, 'ENOENT')) throw error;
    }
  }
}

/** Newest first. */
function snapshotsAmong(names: readonly string[], directory: string): StoredSnapshot[] {
  return names
    .map((name) => ({ number: Number(SNAPSHOT.exec(name)?.[1] ?? 0), path: join(directory, name) }))
    .filter(({ number }) => number > 0)
    .sort((a, b) => b.number - a.number);
}
