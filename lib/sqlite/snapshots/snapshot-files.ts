import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory, syncDirectory, syncFile } from '../database-file.js';

// No name comes from outside. It says first how often the log had been changed, as clocks can go back, then the id.
const SNAPSHOT = /^snapshot-(\d{16})-([0-9a-f-]{36})\.db$/;
const TEMPORARY = /^snapshot-[0-9a-f-]{36}\.tmp$/;

const OWNER_ONLY = 0o600;
/** Nobody writes for so long without changing the file. */
const ABANDONED_AFTER_MS = 3_600_000;

/** What the name of a snapshot says. */
export interface SnapshotName {
  readonly location: string;
  readonly changes: number;
  readonly id: string;
}

/** The snapshots in a directory. Other files in it are left alone. */
export class SnapshotFiles {
  constructor(private readonly directory: string) {}

  /** Makes the directory if need be, and removes what was begun and never finished. @returns the newest snapshot */
  async open(): Promise<SnapshotName | undefined> {
    await makeDirectory(this.directory);
    for (const name of await fs.readdir(this.directory)) {
      if (TEMPORARY.test(name)) await this.#removeAbandoned(join(this.directory, name));
    }
    const [newest] = await this.#newestFirst();
    const [, changes, id] = SNAPSHOT.exec(newest ?? '') ?? [];
    return newest === undefined ? undefined : { location: join(this.directory, newest), changes: Number(changes), id };
  }

  /**
   * Adds a snapshot: under another name until it is complete and outlasts a power loss, so that under its own name there is
   * never a part of one.
   *
   * @param write fills the empty file that it is given, and says how often the log had been changed
   */
  async add<Written extends { readonly log: { readonly changes: number } }>(
    id: string,
    write: (path: string) => Promise<Written>,
  ): Promise<{ readonly written: Written; readonly location: string }> {
    const temporary = join(this.directory, `snapshot-${id}.tmp`);
    const { O_CREAT, O_EXCL, O_RDWR } = constants;
    await (await fs.open(temporary, O_CREAT | O_EXCL | O_RDWR, OWNER_ONLY)).close();
    try {
      const written = await write(temporary);
      const changes = String(written.log.changes).padStart(16, '0');
      const location = join(this.directory, `snapshot-${changes}-${id}.db`);
      await syncFile(temporary);
      await fs.rename(temporary, location);
      await syncDirectory(this.directory);
      return { written, location };
    } catch (error) {
      // Gives its space back at once; what stays is removed when it is old.
      await fs.rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  async keepNewest(count: number): Promise<void> {
    for (const name of (await this.#newestFirst()).slice(count))
      await fs.rm(join(this.directory, name), { force: true });
  }

  async #newestFirst(): Promise<string[]> {
    return (await fs.readdir(this.directory))
      .filter((name) => SNAPSHOT.test(name))
      .sort()
      .reverse();
  }

  async #removeAbandoned(path: string): Promise<void> {
    const stat = await fs.stat(path).catch(() => undefined);
    if (stat && Date.now() - stat.mtimeMs > ABANDONED_AFTER_MS) await fs.rm(path, { force: true });
  }
}
