import { randomUUID } from 'node:crypto';
import { SnapshotCorruptedError } from '../../store/values/errors.js';
import { messageOf, stackOf } from '../../store/values/error-text.js';
import { createEventId } from '../../store/values/event-id.js';
import type { EngineContext } from '../../store/ports/storage-engine.js';
import type { StoreSnapshot } from '../../store/values/stream-info.js';
import type { KeptState, StateCut } from '../kept-state.js';
import type { SnapshotCompression } from './compression.js';
import type { Disk } from './disk.js';
import { withClearErrors } from './disk-errors.js';
import type { ProcessTable } from '../../store/services/process-table.js';
import { SnapshotDirectory, type StoredSnapshot } from './snapshot-directory.js';
import { type LoadedSnapshot, readSnapshot } from './snapshot-reader.js';
import { writeSnapshot } from './snapshot-writer.js';

export interface SnapshotSettings {
  readonly directory: string;
  readonly keep: number;
  readonly compression: SnapshotCompression;
}

/** What a directory had to offer when it was opened. */
export interface FoundState {
  readonly state: KeptState;
  /** False when newer snapshots were damaged. */
  readonly isNewest: boolean;
}

/** What the engine hands over to be written. */
export interface CutToWrite {
  readonly cut: StateCut;
  /** How many events and streams count as kept. */
  readonly events: number;
  readonly streams: number;
}

/**
 * Keeps the snapshots of one store: loads the newest one that is intact, writes new ones, one at a time, and lets go of
 * the oldest.
 */
export class SnapshotKeeper {
  readonly #disk: Disk;
  readonly #token = randomUUID();
  readonly #damaged = new Set<string>();
  #context!: EngineContext;
  #directory!: SnapshotDirectory;
  #running: Promise<StoreSnapshot> | undefined;
  #next: Promise<StoreSnapshot> | undefined;

  constructor(
    private readonly settings: SnapshotSettings,
    disk: Disk,
    private readonly processes: ProcessTable,
  ) {
    this.#disk = withClearErrors(disk);
  }

  /**
   * Takes the directory and loads the newest snapshot that is intact.
   *
   * @returns undefined when the directory has no snapshot
   * @throws {SnapshotCorruptedError} when it has some and none is intact
   * @throws {SnapshotUnsupportedError} when the newest one cannot be read by this version
   * @throws {SnapshotDirectoryInUseError}
   * @throws {SnapshotDiskError} also when a file cannot be read: what it holds may be newer than all others
   */
  async open(context: EngineContext): Promise<FoundState | undefined> {
    this.#context = context;
    const directory = await SnapshotDirectory.open(this.#disk, this.settings.directory, this.processes, this.#token);
    try {
      const found = await this.#load(directory);
      this.#directory = directory;
      this.#reportTakeOver(directory, found?.loaded.createdAt);
      return found && { state: found.loaded.state, isNewest: found.isNewest };
    } catch (error) {
      await directory.close().catch(() => undefined);
      throw error;
    }
  }

  async #load(directory: SnapshotDirectory): Promise<{ loaded: LoadedSnapshot; isNewest: boolean } | undefined> {
    let newestDamage: SnapshotCorruptedError | undefined;
    for (const snapshot of await directory.snapshots()) {
      try {
        const loaded = await this.#read(directory, snapshot);
        return { loaded, isNewest: newestDamage === undefined };
      } catch (error) {
        if (!(error instanceof SnapshotCorruptedError)) throw error;
        newestDamage ??= error;
        this.#damaged.add(snapshot.path);
        this.#report(`a snapshot is damaged; the one before is used, if there is one`, 'snapshot.load', error);
      }
    }
    if (newestDamage) throw newestDamage;
    return undefined;
  }

  async #read(directory: SnapshotDirectory, snapshot: StoredSnapshot): Promise<LoadedSnapshot> {
    const file = await directory.openFile(snapshot);
    try {
      return await readSnapshot(file, snapshot.path);
    } finally {
      await file.close();
    }
  }

  #reportTakeOver({ path, tookOverFrom }: SnapshotDirectory, createdAt: number | undefined): void {
    if (!tookOverFrom) return;
    const since = createdAt === undefined ? 'All it appended' : `What it appended after ${isoTime(createdAt)}`;
    this.#context.logger.warn(
      `Store "${this.#context.storeName}": process ${tookOverFrom.pid} used ${path} and ended without closing its ` +
        `store. ${since} is lost.`,
    );
  }

  /**
   * Writes a snapshot.
   *
   * One is written at a time. A call during one waits for it and then writes the next, which all calls share that wait:
   * so what was kept when a call came is always in the snapshot that it gets.
   *
   * @param cut called once, at once if no snapshot is being written; not at all when another call's serves
   */
  write(cut: () => CutToWrite): Promise<StoreSnapshot> {
    if (!this.#running) {
      this.#running = this.#writeNow(cut).finally(() => (this.#running = undefined));
      return this.#running;
    }
    this.#next ??= this.#running
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        this.#next = undefined;
        return this.write(cut);
      });
    return this.#next;
  }

  async #writeNow(cutNow: () => CutToWrite): Promise<StoreSnapshot> {
    const { storeName, clock } = this.#context;
    const { cut, events, streams } = cutNow();
    const createdAt = clock.now();
    const about = { id: createEventId(createdAt), createdAt, storeName };
    const { snapshot, written } = await this.#directory.add((file) =>
      writeSnapshot(file, cut, about, this.settings.compression),
    );
    await this.#removeOld();
    return {
      id: about.id,
      createdAt: new Date(createdAt),
      events,
      streams,
      bytes: written,
      location: snapshot.path,
    };
  }

  /** The new snapshot is there, so that an old one cannot be removed is no failure of its writing. */
  async #removeOld(): Promise<void> {
    try {
      await this.#directory.keepNewest(this.settings.keep, this.#damaged);
    } catch (error) {
      this.#report('old snapshots could not be removed; the next snapshot tries again', 'snapshot.remove', error);
    }
  }

  /** Removes all snapshots, also those that are being written. */
  async removeAll(): Promise<void> {
    await (this.#next ?? this.#running)?.catch(() => undefined);
    await this.#directory.removeAll();
  }

  /** Gives the directory back. */
  close(): Promise<void> {
    return this.#directory.close();
  }

  #report(what: string, operation: string, error: unknown): void {
    const { storeName, logger, onBackgroundFailure } = this.#context;
    logger.error(`Store "${storeName}": ${what}: ${messageOf(error)}`, stackOf(error));
    onBackgroundFailure?.(operation);
  }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
