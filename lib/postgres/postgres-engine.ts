import { randomBytes } from 'node:crypto';
import { systemClock } from '../store/values/clock.js';
import type { Checkpoint } from '../store/values/checkpoint.js';
import { EMPTY, type EmptiableEngine } from '../store/services/emptying.js';
import { ValidationError, WrongExpectedRevisionError } from '../store/values/errors.js';
import { MOST_BYTES_A_PAGE } from '../store/values/page-bytes.js';
import { isSameEvent } from '../store/services/same-event.js';
import { checkPart, type LogCheckPage, type LogCheckState } from '../store/values/log-check.js';
import type {
  AppendAnswer,
  AppendRequest,
  CheckpointConditions,
  EngineCapabilities,
  EngineContext,
  EngineTransaction,
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
  StorageEngine,
  StoredDocument,
  WriteDocumentsRequest,
  StreamEnd,
  StreamPage,
  TimeRangePage,
  TrimRequest,
} from '../store/ports/storage-engine.js';
import type { StreamInfo } from '../store/values/stream-info.js';
import { AppendAnnouncer } from './append-announcer.js';
import { AppendListener } from './append-listener.js';
import { AppendQueue } from './append-queue.js';
import { migrate } from './migrations/migrate.js';
import { openClient } from './open-client.js';
import type { PostgresClient, Query } from './postgres-client.js';
import {
  checkPostgresEngineOptions,
  type CheckedPostgresEngineOptions,
  type PostgresEngineOptions,
} from './postgres-engine-options.js';
import {
  checkLease,
  listCheckpoints,
  loadCheckpoint,
  removeCheckpoint,
  saveCheckpoint,
} from './queries/checkpoints.js';
import { dropDocuments, getDocuments, listDocuments, writeDocuments } from './queries/documents.js';
import { acquireLease, listLeases, releaseLease } from './queries/leases.js';
import { checkStretchOfLog, checkStretchOfStream } from './queries/count-events.js';
import { emptyLog } from './queries/empty-log.js';
import { listStreams } from './queries/list-streams.js';
import { logTime } from './queries/log-time.js';
import { type Stretch, stretchOfPage } from './queries/page.js';
import { proveLock } from './queries/log-lock.js';
import { readAll } from './queries/read-all.js';
import { readStream } from './queries/read-stream.js';
import { readTimeRange } from './queries/read-time-range.js';
import { checkRowSecurity, checkServer } from './queries/server-settings.js';
import { streamEnds } from './queries/stream-ends.js';
import { trim } from './queries/trim.js';
import { usage } from './queries/usage.js';
import { globalPositions, headOfLog, placesInStreams } from './queries/verify.js';

/**
 * Keeps events in PostgreSQL, for any number of instances of an application. What was acknowledged survives whatever the
 * server's commits survive: with its default settings, a loss of power.
 *
 * @throws {ValidationError} that names the option
 */
export function postgresEngine(options: PostgresEngineOptions): StorageEngine {
  return new PostgresEngine(checkPostgresEngineOptions(options));
}

class PostgresEngine implements StorageEngine, EmptiableEngine {
  readonly name = 'postgres';
  readonly place: string;
  readonly supports: EngineCapabilities = {
    snapshot: false,
    leases: true,
    transactions: true,
    documents: true,
  };

  readonly #schema: string;
  readonly #channel: string;
  /** Tells what this engine has said from what others say. */
  readonly #sender = randomBytes(6).toString('base64url');
  #context: EngineContext | undefined;
  #client: PostgresClient | undefined;
  #queue: AppendQueue | undefined;
  #announcer: AppendAnnouncer | undefined;
  readonly #listeners = new Set<AppendListener>();

  constructor(private readonly options: CheckedPostgresEngineOptions) {
    this.place = `in PostgreSQL, schema ${options.schema}, which keeps every acknowledged event`;
    this.#schema = `"${options.schema}"`;
    this.#channel = `event-store:${options.schema}`;
  }

  async open(context: EngineContext): Promise<void> {
    if (this.#context) {
      throw new ValidationError(
        'engine',
        `store "${this.#context.storeName}" uses this engine already: make an engine for each store.`,
      );
    }
    this.#context = context;
    try {
      const client = await openClient(this.options, `PostgreSQL of store "${context.storeName}"`);
      this.#client = client;
      await checkServer(client, context, this.options.requireSynchronousStandby);
      await proveLock(client);
      await migrate(client, this.#schema);
      await checkRowSecurity(client, this.#schema);
      const { clock, maxEventsPerStream, maxStreams } = context;
      if (this.options.listen) this.#announcer = new AppendAnnouncer(client, this.#channel, this.#sender, context);
      this.#queue = new AppendQueue(client, this.#schema, () => ({
        now: clock.now(),
        isOwnClock: clock !== systemClock,
        maxEventsPerStream,
        maxStreams,
        announcement: this.#announcer?.next(),
        requiresStandby: this.options.requireSynchronousStandby,
      }));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#announcer?.close();
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    await this.#client?.close();
    this.#client = undefined;
    this.#context = undefined;
  }

  async append(request: AppendRequest): Promise<AppendAnswer> {
    const answer = await this.#queue!.append(request);
    if (answer.repeated) await this.#checkRetry(request, answer.firstPosition - 1);
    return answer;
  }

  /**
   * The function on the server has compared the ids; whether the contents are the same is seen here, as events never change.
   *
   * @throws {WrongExpectedRevisionError} when they are not, or when retention has removed them meanwhile
   */
  async #checkRetry({ streamId, events, expectedRevision }: AppendRequest, before: number): Promise<void> {
    let compared = 0;
    let revision = before;
    for (let isEnd = false; compared < events.length && !isEnd;) {
      const page = await this.readStream({
        ...{ streamId, after: before + compared, limit: events.length - compared, maxBytes: MOST_BYTES_A_PAGE },
        ...{ direction: 'forward', types: undefined, recordedSince: -Infinity },
      });
      ({ isEnd, revision } = page);
      const isRetry = page.events.every(
        (event, index) =>
          event.position === before + compared + index + 1 && isSameEvent(event, events[compared + index]),
      );
      if (!isRetry) break;
      compared += page.events.length;
    }
    if (compared < events.length) throw new WrongExpectedRevisionError(streamId, expectedRevision, revision);
  }

  async readStream(request: ReadStreamRequest): Promise<StreamPage> {
    const page = await this.#run(readStream(this.#schema, request));
    const { position, trimmedTo, revision: last } = page;
    const stretch = stretchOfPage(request, { position, trimmedTo, last });
    if (hasPassedOver(stretch, page.events)) {
      await this.#run(checkStretchOfStream(this.#schema, request.streamId, stretch));
    }
    return page;
  }

  async readAll(request: ReadAllRequest): Promise<LogPage> {
    const page = await this.#run(readAll(this.#schema, request));
    // One stream is read by its own index, which knows nothing of the others.
    if (request.filter?.stream !== undefined) return page;
    const { globalPosition: position, trimmedTo, head: last } = page;
    const stretch = stretchOfPage(request, { position, trimmedTo, last });
    if (hasPassedOver(stretch, page.events)) await this.#run(checkStretchOfLog(this.#schema, stretch));
    return page;
  }

  readTimeRange(request: ReadTimeRangeRequest): Promise<TimeRangePage> {
    return this.#run(readTimeRange(this.#schema, request));
  }

  listStreams(request: ListStreamsRequest): Promise<StreamInfo[]> {
    return this.#run(listStreams(this.#schema, request));
  }

  trim(request: TrimRequest): Promise<number> {
    return this.#run(trim(this.#schema, request));
  }

  loadCheckpoint(name: string): Promise<Checkpoint | undefined> {
    return this.#run(loadCheckpoint(this.#schema, name));
  }

  saveCheckpoint(
    name: string,
    checkpoint: Checkpoint,
    lease?: Lease,
    conditions?: CheckpointConditions,
  ): Promise<void> {
    return this.#run(saveCheckpoint(this.#schema, name, checkpoint, lease, conditions));
  }

  listCheckpoints(): Promise<NamedCheckpoint[]> {
    return this.#run(listCheckpoints(this.#schema));
  }

  removeCheckpoint(name: string): Promise<void> {
    return this.#run(removeCheckpoint(this.#schema, name));
  }

  getDocuments({ collection, keys }: GetDocumentsRequest): Promise<StoredDocument[]> {
    return this.#run(getDocuments(this.#schema, collection, keys));
  }

  listDocuments(request: ListDocumentsRequest): Promise<StoredDocument[]> {
    return this.#run(listDocuments(this.#schema, request));
  }

  async writeDocuments(request: WriteDocumentsRequest): Promise<void> {
    const { checkpoint: kept, lease } = request;
    const write = writeDocuments(this.#schema, request);
    if (!kept && !lease) return this.#run(write);
    await this.#client!.transaction(async (connection) => {
      if (kept) {
        const { name, checkpoint, conditions } = kept;
        await connection.run(saveCheckpoint(this.#schema, name, checkpoint, lease, conditions));
      } else {
        await connection.run(checkLease(this.#schema, lease!));
      }
      await connection.run(write);
    });
  }

  dropDocuments({ collection }: { readonly collection: string }): Promise<void> {
    return this.#run(dropDocuments(this.#schema, collection));
  }

  acquireLease(request: LeaseRequest): Promise<Lease | undefined> {
    return this.#run(acquireLease(this.#schema, request));
  }

  releaseLease(lease: Lease): Promise<void> {
    return this.#run(releaseLease(this.#schema, lease));
  }

  listLeases(prefix: string): Promise<Lease[]> {
    return this.#run(listLeases(this.#schema, prefix));
  }

  transact<T>(work: (transaction: EngineTransaction) => Promise<T>): Promise<T> {
    return this.#client!.transaction((connection) =>
      work({
        client: { query: (...statement: unknown[]) => connection.runForOthers(...statement) },
        saveCheckpoint: (name, checkpoint, lease, conditions) =>
          connection.run(saveCheckpoint(this.#schema, name, checkpoint, lease, conditions)),
      }),
    );
  }

  verify(state: LogCheckState | undefined): Promise<LogCheckPage> {
    const schema = this.#schema;
    return checkPart(
      {
        head: () => this.#run(headOfLog(schema)),
        globalPositions: (after, upTo, most) => this.#run(globalPositions(schema, after, upTo, most)),
        places: (after, upTo, most) => this.#run(placesInStreams(schema, after, upTo, most)),
      },
      state,
    );
  }

  streamEnds(streamIds: readonly string[]): Promise<readonly StreamEnd[]> {
    return this.#run(streamEnds(this.#schema, streamIds));
  }

  /** By the clock of the server, whatever this process takes the time from. */
  time(): Promise<LogTime> {
    return this.#run(logTime(this.#schema));
  }

  async usage(retained: Retained): Promise<EngineUsage> {
    return { ...(await this.#run(usage(this.#schema, retained))), bytes: 0 };
  }

  /** Without LISTEN there is nothing to hear, and the store looks for news by itself. */
  onAppended(tell: (streamId?: string) => void): () => void {
    if (!this.options.listen) return () => undefined;
    const listener = new AppendListener(this.#client!, this.#channel, this.#sender, this.#context!, tell);
    this.#listeners.add(listener);
    return () => void listener.close().then(() => this.#listeners.delete(listener));
  }

  [EMPTY](): Promise<void> {
    return this.#client!.transaction((connection) => connection.run(emptyLog(this.#schema)));
  }

  #run<Answer>(query: Query<Answer>): Promise<Answer> {
    return this.#client!.run(query);
  }
}

/** Whether a page has looked at events that are not in it. The last one there is needs no second look. */
function hasPassedOver({ first, last }: Stretch, events: readonly unknown[]): boolean {
  return last > first && events.length < last - first + 1;
}
