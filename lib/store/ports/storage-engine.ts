import type { Checkpoint } from '../values/checkpoint.js';
import type { Clock } from '../values/clock.js';
import type { CompiledFilter, Pattern } from '../values/event-filter.js';
import type { RecordedEvent } from '../values/event.js';
import type { ExpectedRevision } from '../values/expected-revision.js';
import type { LogCheckPage, LogCheckState } from '../values/log-check.js';
import type { StoreLogger } from './logger.js';
import type { MaybePromise } from '../values/maybe-promise.js';
import type { PlaceInLog } from '../values/place.js';
import type { StoreSnapshot, StreamInfo } from '../values/stream-info.js';

/**
 * What keeps the events: the one contract between the store and its engines.
 *
 * The store checks every argument and fills in every default, so an engine gets exactly what is described here and does
 * not check again. It calls `open` first, `close` last, and the others in between, any number at a time. An `open` that
 * fails leaves nothing behind, and may be called again, as may that of an engine that was closed.
 * An engine that can answer at once may do so without a promise.
 *
 * Two promises hold the rest up. An append is all or nothing, for readers too. And `readAll` never shows an event while an
 * event with a smaller global position can still appear.
 */
export interface StorageEngine {
  /** The kind of engine, such as `memory`; for people. */
  readonly name: string;

  /** Where it keeps events and what survives the end of the process, in a few words for the log; no secrets. */
  readonly place?: string;

  readonly supports: EngineCapabilities;

  /**
   * Makes the engine ready, with everything that was kept before.
   *
   * @throws {StorageUnavailableError} when what keeps the events is not there yet: the store waits, and tries again
   */
  open(context: EngineContext): MaybePromise<void>;

  /** Gives back what `open` took. Appends that were accepted have been answered before. */
  close(): MaybePromise<void>;

  /**
   * Adds a batch to a stream, whole or not at all.
   *
   * Checks, in this order: the expected revision, then the limits of the context for the whole batch; no limit holds for
   * the store's own streams, whose ids begin with `$`. Positions go on from
   * the stream's revision, also when retention removed its events. `recordedAt` never falls from one event of the log to
   * the next, and is never before the request's `recordedSince`, so that no event is recorded as one that has expired. An
   * event without a `timestamp` gets the time of the append, which is not `recordedAt` after a clock was set back. An empty
   * batch answers and changes nothing.
   *
   * When the expected revision names one number and the stream is past it, but the events after that number are
   * those of this batch in the same order, the batch is a retry: it is answered as the first time, and not stored again.
   * `isSameEvent` tells: ids and contents are the same. The same ids with other contents are no retry, but too late.
   *
   * @throws {WrongExpectedRevisionError}
   * @throws {StreamLimitReachedError}
   */
  append(request: AppendRequest): MaybePromise<AppendAnswer>;

  /**
   * Events of one stream, by position. May answer with fewer than asked, or none, although more follow.
   *
   * A page, here and below, is in memory at once, so it is bounded by `maxBytes` as well as by `limit`. Bytes are those of the
   * JSON texts in UTF-8. An engine does not fetch what does not fit: readers of large events come for a few at a time.
   */
  readStream(request: ReadStreamRequest): MaybePromise<StreamPage>;

  /** Events of the whole log, by global position. May answer with fewer than asked, or none, although more follow. */
  readAll(request: ReadAllRequest): MaybePromise<LogPage>;

  /** Events by the time they happened, ties by global position. */
  readTimeRange(request: ReadTimeRangeRequest): MaybePromise<TimeRangePage>;

  /** The streams that hold events, in the order of `compareStreamIds`. */
  listStreams(request: ListStreamsRequest): MaybePromise<readonly StreamInfo[]>;

  /**
   * Removes events that were recorded before `recordedBefore`, oldest first, at most `limit` and none after `upTo`.
   *
   * @returns how many were removed
   */
  trim(request: TrimRequest): MaybePromise<number>;

  /** What `saveCheckpoint` kept last under this name; undefined when nothing was. */
  loadCheckpoint(name: string): MaybePromise<Checkpoint | undefined>;

  /**
   * Keeps a checkpoint, as durably as an append, in place of the one before.
   *
   * What is asked of the lease and of the log is checked in this order, in the transaction that keeps the checkpoint.
   *
   * @param lease what the caller writes under; undefined where the engine has no leases
   * @param conditions left out, there are none
   * @throws {LeaseLostError} when somebody has taken the lease since, with nothing kept: another holder, or with another token
   * @throws {CheckpointChangedError} when another checkpoint is kept than the one that is to be replaced, with nothing kept
   * @throws {LogForkedError} when the log does not go on from the place, with nothing kept
   */
  saveCheckpoint(
    name: string,
    checkpoint: Checkpoint,
    lease?: Lease,
    conditions?: CheckpointConditions,
  ): MaybePromise<void>;

  /** All checkpoints, in no order. */
  listCheckpoints(): MaybePromise<readonly NamedCheckpoint[]>;

  /** Forgets a checkpoint; nothing happens when there is none. */
  removeCheckpoint(name: string): MaybePromise<void>;

  /**
   * Takes the right to do what `name` names, or prolongs it. Called only when `supports.leases` says so.
   *
   * A holder that asks again while it holds the lease gets the same token; whoever takes it after it ended gets a larger one
   * than any before. Time is measured by one clock for all who share the log. A lease that ends later than now and the
   * duration it was given for was given before that clock was set back: it counts from now.
   *
   * @returns undefined while another holder has it
   */
  acquireLease?(request: LeaseRequest): MaybePromise<Lease | undefined>;

  /** Ends a lease before its time; nothing happens when it has ended, or when another holder or another token has it. */
  releaseLease?(lease: Lease): MaybePromise<void>;

  /** The leases that somebody holds now and whose names begin with `prefix`, sorted by name. */
  listLeases?(prefix: string): MaybePromise<readonly Lease[]>;

  /**
   * Runs `work` in one transaction: what it writes with the transaction's client, and the checkpoint, are kept together when
   * its promise is fulfilled, and not at all when it rejects. Called only when `supports.transactions` says so.
   *
   * Once a checkpoint was saved in it, `acquireLease` waits for its end. So who has asked for the lease and loads the
   * checkpoint then knows what became of it.
   *
   * @throws what `work` rejects with; a `StorageUnavailableError` whose `isOutcomeUnknown` is true when it may have been kept
   */
  transact?<T>(work: (transaction: EngineTransaction) => Promise<T>): Promise<T>;

  /**
   * What time it is for the log, by which retention goes. Left out by an engine that has no clock of its own, and nothing
   * that was recorded before it was opened.
   */
  time?(): MaybePromise<LogTime>;

  /** What is kept now, without what was recorded before `recordedSince`. */
  usage(request: Retained): MaybePromise<EngineUsage>;

  /**
   * Calls `listener` after somebody else may have appended: another process on the same log. A hint, which may be lost or
   * doubled; the log is the truth. Appends through this engine object need no hint.
   *
   * @param listener takes the stream, or undefined when it is not known
   * @returns stops the calls
   */
  onAppended?(listener: (streamId?: string) => void): () => void;

  /**
   * Writes what is kept at the moment of the call to a place of the engine's, while appends go on. Called only when
   * `supports.snapshot` says so; once more before `close`.
   *
   * @returns undefined when nothing changed since the last one and the request does not want another
   */
  snapshot?(request: SnapshotRequest): MaybePromise<StoreSnapshot | undefined>;

  /**
   * Looks at a part of the log for what cannot be, without reading the events: `checkPart` does it over what an engine finds.
   *
   * @param state what the part before has answered; undefined for the first one
   */
  verify?(state: LogCheckState | undefined): MaybePromise<LogCheckPage>;

  /**
   * Where streams end, for all of them at a time: subscriptions that rest are compared with it, when the log has another end
   * than a moment ago. An engine without it is asked for each stream.
   *
   * @returns in any order; nothing for streams that never were
   */
  streamEnds?(streamIds: readonly string[]): MaybePromise<readonly StreamEnd[]>;

  /**
   * Documents of a collection by their keys: those that are there, in the order of the keys. Called only when
   * `supports.documents` says so, as are the three that follow.
   *
   * A document is JSON text beside the log, which the store makes of events: a projection, the snapshot of an aggregate.
   */
  getDocuments?(request: GetDocumentsRequest): MaybePromise<readonly StoredDocument[]>;

  /** Documents of a collection in the order of their keys, which is that of `compareStreamIds`. */
  listDocuments?(request: ListDocumentsRequest): MaybePromise<readonly StoredDocument[]>;

  /**
   * Keeps documents in place of those before, removes others, and keeps the checkpoint that they stand for: all in one step,
   * or nothing, for readers too. What is asked of the lease and of the log is checked in it, as by `saveCheckpoint`. As durable
   * as an append.
   *
   * @throws {LeaseLostError | CheckpointChangedError | LogForkedError} with nothing kept
   */
  writeDocuments?(request: WriteDocumentsRequest): MaybePromise<void>;

  /** Removes all documents of a collection; nothing happens when there are none. */
  dropDocuments?(request: { readonly collection: string }): MaybePromise<void>;

  /** Makes what was kept survive a crash of the process. For engines with which it does not do so anyway, and that can. */
  flush?(): MaybePromise<void>;
}

/** What an engine can do, as it is configured: asked, never found out by trying. */
export interface EngineCapabilities {
  /** Whether `snapshot` has a place to write to. */
  readonly snapshot: boolean;
  /**
   * Whether several processes may share the log, so that a durable handler needs a lease to be run once. Such a log lies
   * outside the process, and may be put back to an earlier state under it: whoever reads on compares its place with each page.
   */
  readonly leases: boolean;
  /** Whether a handler can write in the transaction that keeps its checkpoint. Such an engine needs leases too. */
  readonly transactions: boolean;
  /** Whether it keeps documents beside the log. Left out, it does not. */
  readonly documents?: boolean;
}

/** What the store hands to its engine when it opens. */
export interface EngineContext {
  readonly storeName: string;
  readonly clock: Clock;
  readonly logger: StoreLogger;
  /** At most so many events in a stream; Infinity for no limit. */
  readonly maxEventsPerStream: number;
  /** At most so many streams that hold events; Infinity for no limit. */
  readonly maxStreams: number;
  /** Lets it be counted that work without a caller failed; the logger gets the error. */
  readonly onBackgroundFailure?: (operation: string) => void;
}

/** A checked event. */
export interface EventToAppend {
  /** Undefined when the engine is to give one: a UUIDv7. */
  readonly id: string | undefined;
  readonly type: string;
  /** JSON text. */
  readonly data: string;
  /** JSON text of an object; empty text stands for an empty one. */
  readonly metadata: string;
  /** Milliseconds since 1970; undefined for the time of the append. */
  readonly timestamp: number | undefined;
  /** The members of the metadata that the store has added, which differ from call to call; undefined for none. */
  readonly added?: readonly string[];
}

/** Part of every request that reads: events recorded before `recordedSince` have expired and must not be seen. */
export interface Retained {
  /** Milliseconds since 1970; -Infinity to see everything that was not removed yet. */
  readonly recordedSince: number;
}

export interface AppendRequest extends Retained {
  readonly streamId: string;
  readonly events: readonly EventToAppend[];
  readonly expectedRevision: ExpectedRevision;
}

export interface AppendAnswer {
  /** The position of the batch's first event; for an empty batch, the one it would have had. */
  readonly firstPosition: number;
  /** The global position of the batch's last event; for an empty batch, that of the log's last event. */
  readonly globalPosition: number;
  /** True when the batch was recognised as a retry and nothing was stored. */
  readonly repeated: boolean;
}

export type Direction = 'forward' | 'backward';

export interface ReadStreamRequest extends Retained {
  readonly streamId: string;
  /** Exclusive: forward, positions above it; backward, positions below it (Infinity for the end). */
  readonly after: number;
  /** At most so many events: a whole number, at least 0, or Infinity. */
  readonly limit: number;
  /** The page ends before an event with which data and metadata of its events would take more, unless that is its first. */
  readonly maxBytes: number;
  readonly direction: Direction;
  readonly types: readonly Pattern[] | undefined;
  /** Whether the answer is to say which events lie at `after` and at the place it comes to; only forward. Default false. */
  readonly wantsIds?: boolean;
}

export interface StreamPage extends PageIds {
  /** A new array. */
  readonly events: RecordedEvent[];
  /** The position of the stream's last event; 0 for a stream that never was. */
  readonly revision: number;
  /** The position of the last event that was removed or has expired; 0 when there is none. */
  readonly trimmedTo: number;
  /** How far the engine looked: the next request's `after`. */
  readonly position: number;
  /** Whether no event of the request follows. */
  readonly isEnd: boolean;
  /** Whether it ends where it does because of `maxBytes`. */
  readonly isFull: boolean;
}

export interface ReadAllRequest extends Retained {
  /** Exclusive: forward, global positions above it; backward, global positions below it (Infinity for the end). */
  readonly after: number;
  /** At most so many events: a whole number, at least 0, or Infinity. */
  readonly limit: number;
  /** The page ends before an event with which data and metadata of its events would take more, unless that is its first. */
  readonly maxBytes: number;
  readonly direction: Direction;
  readonly filter: CompiledFilter | undefined;
  /** Whether the answer is to say which events lie at `after` and at the place it comes to; only forward. Default false. */
  readonly wantsIds?: boolean;
}

/** What a page says of places, where the request wants it. Retention hides events, not their ids. */
export interface PageIds {
  /** The id of the event at the request's `after`; undefined when there is none, or it was removed. */
  readonly afterId?: string;
  /** The id of the event at the position that the page comes to; undefined when there is none, or it was removed. */
  readonly reachedId?: string;
}

/** Where a stream ends. */
export interface StreamEnd {
  readonly streamId: string;
  /** The position of its last event ever. */
  readonly revision: number;
  /** The id of that event; undefined when it was removed. */
  readonly lastId: string | undefined;
}

export interface LogPage extends PageIds {
  /** A new array. */
  readonly events: RecordedEvent[];
  /** How far the engine looked: the next request's `after`. */
  readonly globalPosition: number;
  /** The global position of the last event of the log; 0 for an empty log. */
  readonly head: number;
  /** The global position of the last event that was removed or has expired; 0 when there is none. */
  readonly trimmedTo: number;
  /** Whether no event of the request follows. */
  readonly isEnd: boolean;
  /** Whether it ends where it does because of `maxBytes`. */
  readonly isFull: boolean;
}

/** A place in the order of time. */
export interface TimePlace {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly globalPosition: number;
}

export interface ReadTimeRangeRequest extends Retained {
  /** Inclusive, in milliseconds since 1970; -Infinity for an open end. */
  readonly from: number;
  /** Inclusive, in milliseconds since 1970; Infinity for an open end. */
  readonly to: number;
  /** Only events after this place; undefined for the first page. */
  readonly after: TimePlace | undefined;
  /** Only events up to this global position, inclusive; Infinity for all. */
  readonly upTo: number;
  /** At most so many events: a whole number, at least 1, or Infinity. */
  readonly limit: number;
  /** The page ends before an event with which data and metadata of its events would take more, unless that is its first. */
  readonly maxBytes: number;
  readonly filter: CompiledFilter | undefined;
}

export interface TimeRangePage {
  /** A new array. */
  readonly events: RecordedEvent[];
  /** How far the engine looked: the next request's `after`; undefined when no event of the request follows. */
  readonly next: TimePlace | undefined;
}

export interface ListStreamsRequest extends Retained {
  /** Only this stream, also when it holds no events any more. */
  readonly streamId: string | undefined;
  /** Only streams whose id begins with it; empty for all but the store's own, which begin with `$`. */
  readonly prefix: string;
  /** Only streams sorted after it; empty for all. */
  readonly after: string;
  /** At most so many: a whole number, at least 1, or Infinity. */
  readonly limit: number;
}

export interface TrimRequest {
  /** Milliseconds since 1970. */
  readonly recordedBefore: number;
  /** A global position, inclusive; Infinity for no bound. */
  readonly upTo: number;
  readonly limit: number;
}

export interface NamedCheckpoint {
  readonly name: string;
  readonly checkpoint: Checkpoint;
}

export interface LeaseRequest {
  readonly name: string;
  /** Who asks: different for every process, and for every start of one. */
  readonly holder: string;
  /** How long the lease lasts from now, in milliseconds. */
  readonly durationMs: number;
  /**
   * A lease whose holder is known to be gone: while exactly this one is held, by its holder and its token, it counts as ended.
   * So it goes to one of those who ask.
   */
  readonly evenFrom?: Lease;
}

/** What must be so for a checkpoint to be kept. */
export interface CheckpointConditions {
  /** The checkpoint that is kept now, and is to be replaced; null when none is. Left out, any. */
  readonly expected?: Checkpoint | null;
  /** The furthest place that the checkpoint speaks of: the log must go on from it. Left out, it is not asked. */
  readonly place?: PlaceInLog;
}

/** A document as an engine has it. */
export interface StoredDocument {
  /** 1 to 512 characters. */
  readonly key: string;
  /** JSON text. */
  readonly document: string;
}

export interface GetDocumentsRequest {
  /** 1 to 512 characters. */
  readonly collection: string;
  /** Each once. */
  readonly keys: readonly string[];
}

export interface ListDocumentsRequest {
  readonly collection: string;
  /** Only those whose key begins with it; empty for all. */
  readonly prefix: string;
  /** Only those sorted after it; empty for all. */
  readonly after: string;
  /** At most so many: a whole number, at least 1, or Infinity. */
  readonly limit: number;
}

export interface WriteDocumentsRequest {
  readonly collection: string;
  /** No key twice, and none that is to be removed. */
  readonly put: readonly StoredDocument[];
  readonly remove: readonly string[];
  /** What is kept with them; undefined for none. */
  readonly checkpoint?: {
    readonly name: string;
    readonly checkpoint: Checkpoint;
    readonly conditions?: CheckpointConditions;
  };
  /** What the caller writes under; undefined where the engine has no leases. */
  readonly lease?: Lease;
}

/** The right of one holder to do what `name` names, for a time. */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Rises with each holder: what carries a smaller token than the last one given comes too late. */
  readonly token: number;
}

/** A transaction of the engine's, while `transact` runs. */
export interface EngineTransaction {
  /** What a handler writes with, as `context.transaction`. It refuses when the transaction is over. */
  readonly client: unknown;
  /** As the engine's own `saveCheckpoint`, but kept or not kept with the transaction. */
  saveCheckpoint(name: string, checkpoint: Checkpoint, lease?: Lease, conditions?: CheckpointConditions): Promise<void>;
}

/** Times of a log, in milliseconds since 1970. */
export interface LogTime {
  /** By the clock of all who share the log; undefined where there is none but that of the store. */
  readonly now: number | undefined;
  /** When the last event was recorded that there ever was; undefined before the first. */
  readonly lastRecordedAt: number | undefined;
}

export interface SnapshotRequest {
  /** Whether a snapshot is wanted only when something changed since the last one. */
  readonly ifChanged: boolean;
}

export interface EngineUsage {
  readonly events: number;
  /** Without the store's own. */
  readonly streams: number;
  /** In this process's memory. */
  readonly bytes: number;
}
