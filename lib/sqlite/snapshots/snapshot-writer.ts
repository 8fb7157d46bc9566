import { SnapshotDiskError } from '../../store/values/errors.js';
import type { Clock } from '../../store/values/clock.js';
import { createEventId } from '../../store/values/event-id.js';
import type { SnapshotRequest } from '../../store/ports/storage-engine.js';
import type { StoreSnapshot } from '../../store/values/stream-info.js';
import { loadLog } from '../queries/log.js';
import type { SqliteClient } from '../sqlite-client.js';
import type { SqliteDriver } from '../sqlite-driver.js';
import { copyDatabase } from './copy-database.js';
import { isIntactSnapshot, sealSnapshot } from './seal-snapshot.js';
import { SnapshotFiles } from './snapshot-files.js';

export interface SnapshotWriterOptions {
  readonly driver: SqliteDriver;
  /** The database. */
  readonly file: string;
  readonly snapshotDirectory: string;
  readonly keepSnapshots: number;
}

/** Writes snapshots, one at a time: databases of their own, which can take the place of the one they were made of. */
export class SnapshotWriter {
  readonly #files: SnapshotFiles;
  #last: Promise<unknown> = Promise.resolve();
  /** A snapshot that was as it was written when it was looked at last. */
  #intact: string | undefined;

  constructor(private readonly options: SnapshotWriterOptions) {
    this.#files = new SnapshotFiles(options.snapshotDirectory);
  }

  /** @throws {SnapshotDiskError} then the snapshots that were complete are untouched */
  write(request: SnapshotRequest, client: SqliteClient, clock: Clock): Promise<StoreSnapshot | undefined> {
    const snapshot = this.#last.then(() => this.#write(request, client, clock));
    this.#last = snapshot.catch(() => undefined);
    return snapshot;
  }

  /** Removes all snapshots, also those that are being written. */
  async removeAll(): Promise<void> {
    await this.#last;
    await this.#files.open();
    await this.#files.keepNewest(0);
  }

  async #write({ ifChanged }: SnapshotRequest, client: SqliteClient, clock: Clock): Promise<StoreSnapshot | undefined> {
    const { driver, file, snapshotDirectory, keepSnapshots } = this.options;
    try {
      const newest = await this.#files.open();
      if (ifChanged && newest?.changes === loadLog(client).changes && (await this.#isIntact(newest.location))) {
        return undefined;
      }
      const createdAt = new Date(clock.now());
      const id = createEventId(createdAt.getTime());
      const { written, location } = await this.#files.add(id, async (path) => {
        const copied = await copyDatabase(driver, file, path);
        await sealSnapshot(path, copied.seal);
        return copied;
      });
      this.#intact = location;
      const { log, bytes } = written;
      await this.#files.keepNewest(keepSnapshots);
      return { id, createdAt, events: log.head - log.trimmedTo, streams: log.streams, bytes, location };
    } catch (error) {
      throw new SnapshotDiskError('write a snapshot to', snapshotDirectory, error);
    }
  }

  /** Reads a file once only: those of large stores take a while. */
  async #isIntact(location: string): Promise<boolean> {
    if (this.#intact !== location && (await isIntactSnapshot(this.options.driver, location))) this.#intact = location;
    return this.#intact === location;
  }
}
