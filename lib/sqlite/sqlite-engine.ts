import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Checkpoint } from '../store/values/checkpoint.js';
import { EMPTY, type EmptiableEngine } from '../store/services/emptying.js';
import { ValidationError } from '../store/values/errors.js';
import type { RecordedEvent } from '../store/values/event.js';
import { isPromise, type MaybePromise } from '../store/values/maybe-promise.js';
import type {
  AppendAnswer,
  AppendRequest,
  CheckpointConditions,
  EngineCapabilities,
  EngineContext,
  EngineUsage,
  GetDocumentsRequest,
  Lease,
  LeaseRequest,
  ListDocumentsRequest,
  ListStreamsRequest,
  LogPage,
  LogTime,
  NamedCheckpoint,
  ReadAllRequest,
  ReadStreamRequest,
  ReadTimeRangeRequest,
  Retained,
  SnapshotRequest,
  StorageEngine,
  StoredDocument,
  WriteDocumentsRequest,
  StreamEnd,
  StreamPage,
  TimeRangePage,
  TrimRequest,
} from '../store/ports/storage-engine.js';
import type { StoreSnapshot, StreamInfo } from '../store/values/stream-info.js';
import { appendEvents } from './append-events.js';
import { AppendWatcher } from './append-watcher.js';
import { BusyRetry } from './busy-retry.js';
import { makeDatabaseFile } from './database-file.js';
import { OpenedFiles } from './opened-files.js';
import { openDatabase, PAGE_CACHE_BYTES } from './open-database.js';
import { keepCheckpoint } from './keep-checkpoint.js';
import { listCheckpoints, loadCheckpoint, removeCheckpoint } from './queries/checkpoints.js';
import { firstKept, keptStreams } from './first-kept.js';
import { computerTime } from './queries/computer-time.js';
import { emptyLog } from './queries/empty-log.js';
import { dropDocuments, getDocuments, listDocuments, writeDocuments } from './queries/documents.js';
import { acquireLease, checkLease, listLeases, releaseLease } from './queries/leases.js';
import { listStreams } from './queries/list-streams.js';
import { streamEnd } from './queries/streams.js';
import { globalPositions, placesInStreams } from './queries/verify.js';
import { checkPart, type LogCheckPage, type LogCheckState } from '../store/values/log-check.js';
import { loadLog } from './queries/log.js';
import { databaseBytes } from './queries/sizes.js';
import { logPages, streamPages, timePages, type ReadTransaction } from './page-readings.js';
import { type PagePart, readInTurns } from './read-in-turns.js';
import { unsealSnapshot } from './snapshots/seal-snapshot.js';
import { SnapshotWriter } from './snapshots/snapshot-writer.js';
import type { SqliteClient } from './sqlite-client.js';
import {
  checkSqliteEngineOptions,
  type CheckedSqliteEngineOptions,
  type SqliteEngineOptions,
} from './sqlite-engine-options.js';
import { toStoreError } from './sqlite-errors.js';
import { MOST_EVENTS_TRIMMED, trimEvents } from './trim-events.js';
import { WriteQueue } from './write-queue.js';

/**
 * Keeps events in a SQLite database: a file on this computer, which several processes may share. An acknowledged append
 * survives a power loss.
 *
 * @throws {ValidationError} that names the option
 */
export function sqliteEngine(options: SqliteEngineOptions): StorageEngine {
  return new SqliteEngine(checkSqliteEngineOptions(options));
}

/** What there is while the engine is open. */
interface Opened {
  readonly context: EngineContext;
  readonly client: SqliteClient;
  readonly busy: BusyRetry;
  readonly files: OpenedFiles;
  readonly writes: WriteQueue;
  readonly watcher: AppendWatcher;
}

class SqliteEngine implements StorageEngine, EmptiableEngine {
  readonly name = 'sqlite';
  readonly place: string;
  readonly supports: EngineCapabilities;

  #opened: Opened | undefined;
  #isOpening = false;
  readonly #snapshots: SnapshotWriter | undefined;

  constructor(private readonly options: CheckedSqliteEngineOptions) {
    const { file, snapshotDirectory } = options;
    this.place = `in the SQLite file ${file}, which keeps every acknowledged event`;
    this.supports = { snapshot: snapshotDirectory !== undefined, leases: true, transactions: false, documents: true };
    if (snapshotDirectory !== undefined) this.#snapshots = new SnapshotWriter({ ...options, snapshotDirectory });
  }

  async open(context: EngineContext): Promise<void> {
    if (this.#isOpening || this.#opened) {
      throw new ValidationError('engine', 'another store uses this engine already: make an engine for each store.');
    }
    this.#isOpening = true;
    const { file, busyTimeoutMs, pollIntervalMs } = this.options;
    try {
      await makeDatabaseFile(this.options);
      const busy = new BusyRetry(context.clock, busyTimeoutMs, file);
      const client = await this.#openDatabase(busy);
      const files = new OpenedFiles(file, context);
      const writes = new WriteQueue(client, busy, files);
      const watcher = new AppendWatcher(client, files, context, pollIntervalMs);
      this.#opened = { context, client, busy, files, writes, watcher };
    } catch (error) {
      throw toStoreError(error, file);
    } finally {
      this.#isOpening = false;
    }
  }

  async #openDatabase(busy: BusyRetry): Promise<SqliteClient> {
    for (;;) {
      const client = await busy.run(() => openDatabase(this.options));
      if (client) return client;
      await unsealSnapshot(this.options.driver, this.options.file, (work) => busy.run(work));
    }
  }

  close(): void {
    const { client, watcher } = this.#open;
    this.#opened = undefined;
    watcher.close();
    client.close();
  }

  get #open(): Opened {
    if (this.#opened) return this.#opened;
    throw new ValidationError('engine', 'it is not open: a store opens it, and closes it.');
  }

  append(request: AppendRequest): Promise<AppendAnswer> {
    const { client, context, writes } = this.#open;
    return writes.run((log) => appendEvents(client, log, request, context), request.events.length);
  }

  readStream(request: ReadStreamRequest): MaybePromise<StreamPage> {
    return pageOf(readInTurns(request, streamPages(this.#reading)), request, ({ isEnd }) => isEnd);
  }

  readAll(request: ReadAllRequest): MaybePromise<LogPage> {
    return pageOf(readInTurns(request, logPages(this.#reading)), request, ({ isEnd }) => isEnd);
  }

  readTimeRange(request: ReadTimeRangeRequest): MaybePromise<TimeRangePage> {
    return pageOf(readInTurns(request, timePages(this.#reading)), request, ({ next }) => next === undefined);
  }

  listStreams(request: ListStreamsRequest): MaybePromise<StreamInfo[]> {
    return this.#read((client) =>
      listStreams(client, request, firstKept(client, loadLog(client), request.recordedSince)),
    );
  }

  trim(request: TrimRequest): Promise<number> {
    const { client, writes } = this.#open;
    return writes.run((log) => trimEvents(client, log, request), Math.min(request.limit, MOST_EVENTS_TRIMMED));
  }

  loadCheckpoint(name: string): MaybePromise<Checkpoint | undefined> {
    return this.#read((client) => loadCheckpoint(client, name));
  }

  saveCheckpoint(
    name: string,
    checkpoint: Checkpoint,
    lease?: Lease,
    conditions?: CheckpointConditions,
  ): Promise<void> {
    const { client, writes } = this.#open;
    return writes.run((log) => {
      keepCheckpoint(client, name, checkpoint, lease, conditions);
      log.changes++;
    });
  }

  listCheckpoints(): MaybePromise<NamedCheckpoint[]> {
    return this.#read(listCheckpoints);
  }

  removeCheckpoint(name: string): Promise<void> {
    const { client, writes } = this.#open;
    return writes.run((log) => {
      removeCheckpoint(client, name);
      log.changes++;
    });
  }

  getDocuments({ collection, keys }: GetDocumentsRequest): MaybePromise<StoredDocument[]> {
    return this.#read((client) => getDocuments(client, collection, keys));
  }

  listDocuments(request: ListDocumentsRequest): MaybePromise<StoredDocument[]> {
    return this.#read((client) => listDocuments(client, request));
  }

  writeDocuments(request: WriteDocumentsRequest): Promise<void> {
    const { client, writes } = this.#open;
    const { checkpoint: kept, lease, put, remove } = request;
    return writes.run(
      (log) => {
        if (kept) keepCheckpoint(client, kept.name, kept.checkpoint, lease, kept.conditions);
        else if (lease) checkLease(client, lease);
        writeDocuments(client, request);
        log.changes++;
      },
      Math.max(1, put.length + remove.length),
    );
  }

  dropDocuments({ collection }: { readonly collection: string }): Promise<void> {
    const { client, writes } = this.#open;
    return writes.run((log) => {
      dropDocuments(client, collection);
      log.changes++;
    });
  }

  acquireLease(request: LeaseRequest): Promise<Lease | undefined> {
    const { client, context, writes } = this.#open;
    return writes.run(() => acquireLease(client, request, context.clock.now()));
  }

  releaseLease(lease: Lease): Promise<void> {
    const { client, writes } = this.#open;
    return writes.run(() => releaseLease(client, lease));
  }

  listLeases(prefix: string): MaybePromise<Lease[]> {
    const { context } = this.#open;
    return this.#read((client) => listLeases(client, prefix, context.clock.now()));
  }

  verify(state: LogCheckState | undefined): Promise<LogCheckPage> {
    return checkPart(
      {
        head: () => this.#read((client) => loadLog(client).head),
        globalPositions: (after, upTo, most) =>
          this.#read((client) => ({
            trimmedTo: loadLog(client).trimmedTo,
            found: globalPositions(client, after, upTo, most),
          })),
        places: (after, upTo, most) => this.#read((client) => placesInStreams(client, after, upTo, most)),
      },
      state,
    );
  }

  streamEnds(streamIds: readonly string[]): MaybePromise<StreamEnd[]> {
    return this.#read((client) => streamIds.flatMap((streamId) => streamEnd(client, streamId) ?? []));
  }

  /** By the clock of the computer, whatever this process takes the time from. */
  time(): MaybePromise<LogTime> {
    return this.#read((client) => ({
      now: computerTime(client),
      lastRecordedAt: loadLog(client).recordedAt ?? undefined,
    }));
  }

  usage({ recordedSince }: Retained): MaybePromise<EngineUsage> {
    this.#open.files.checkAll();
    return this.#read((client) => {
      const log = loadLog(client);
      const first = firstKept(client, log, recordedSince);
      const bytes = Math.min(databaseBytes(client), PAGE_CACHE_BYTES);
      return { events: log.head - first + 1, streams: keptStreams(client, log, first), bytes };
    });
  }

  onAppended(listener: (streamId?: string) => void): () => void {
    return this.#open.watcher.listen(listener);
  }

  snapshot(request: SnapshotRequest): MaybePromise<StoreSnapshot | undefined> {
    const { client, context } = this.#open;
    return this.#snapshots?.write(request, client, context.clock);
  }

  async [EMPTY](): Promise<void> {
    const { client, writes } = this.#open;
    await writes.run((log) => emptyLog(client, log));
    await this.#snapshots?.removeAll();
  }

  /** Lets statements see one state of the database, whatever others write meanwhile. */
  #read<T>(work: (client: SqliteClient) => T): MaybePromise<T> {
    const { client, busy, files } = this.#open;
    files.checkAgain();
    return busy.run(() => client.reading(() => work(client)));
  }

  readonly #reading: ReadTransaction = (work) => this.#read(work);
}

/** Gives the event loop back before a page that is not all that was asked for: whoever wants more asks again at once. */
function pageOf<Page extends { readonly events: RecordedEvent[] }>(
  part: MaybePromise<PagePart<Page>>,
  { limit }: { readonly limit: number },
  isLast: (page: Page) => boolean,
): MaybePromise<Page> {
  const whole = ({ page, isFull }: PagePart<Page>): Page => ('isFull' in page ? { ...page, isFull } : page);
  if (isPromise(part)) return part.then(whole);
  const page = whole(part);
  return isLast(page) || page.events.length >= limit ? page : nextTurn(page);
}
