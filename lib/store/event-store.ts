import { performance } from 'node:perf_hooks';
import { AppendSignal } from './ports/append-signal.js';
import { inOwnContext } from './services/async-context.js';
import { AppendTrouble } from './services/append-trouble.js';
import type { Checkpoint } from './values/checkpoint.js';
import type { Clock } from './values/clock.js';
import { Cursor, type END, START } from './values/cursor.js';
import { EMPTY, type EmptiableEngine, type StoreRunner } from './services/emptying.js';
import { openEngine } from './services/engine-opening.js';
import { messageOf, stackOf } from './values/error-text.js';
import {
  type CheckpointChangedError,
  codeOf,
  type LogForkedError,
  OperationAbortedError,
  StreamNotFoundError,
  UnsupportedOperationError,
  ValidationError,
} from './values/errors.js';
import { compileTypes, toFilter } from './values/event-filter.js';
import type { NewEvent, RecordedEvent } from './values/event.js';
import { Ending } from './services/ending.js';
import { EventReader } from './services/event-reader.js';
import type { CheckedEventStoreOptions } from './event-store-options.js';
import { acceptEvent } from './services/event-validator.js';
import { checkMembers } from './values/known-members.js';
import { checkedName, checkName, checkUserStreamId, shown } from './values/names.js';
import { markOf, type SeenAtPlace } from './values/place.js';
import { checkPosition, toLimit } from './values/positions.js';
import { hasEnded, holderName } from './services/holder-name.js';
import { ANY, type ExpectedRevision, NO_STREAM, STREAM_EXISTS } from './values/expected-revision.js';
import { isPromise, type MaybePromise } from './values/maybe-promise.js';
import type { LogCheck, LogCheckPage, LogCheckState, LogProblem } from './values/log-check.js';
import { MOST_BYTES_A_PAGE } from './values/page-bytes.js';
import type { StoreLogger } from './ports/logger.js';
import {
  guardInstrumentation,
  type AddedMetadata,
  type GuardedInstrumentation,
  type Instrumentation,
} from './ports/instrumentation.js';
import { addCollector, type MetricsCollector } from './ports/metrics-collector.js';
import {
  checkBatchSize,
  checkDirection,
  type ReadAllOptions,
  type ReadAllResult,
  type ReadOptions,
  type ReadResult,
  type ReadStreamOptions,
  type ReadTimeRangeOptions,
  toBound,
  toPosition,
  toRange,
} from './services/read-request.js';
import { Replay, type ReplayOptions } from './services/replay.js';
import { RetentionBound } from './services/retention-bound.js';
import { RetentionClock } from './services/retention-clock.js';
import { RetentionSweeper } from './services/retention-sweeper.js';
import { SnapshotTaker } from './services/snapshot-taker.js';
import type {
  AppendAnswer,
  CheckpointConditions,
  EngineCapabilities,
  EngineTransaction,
  EventToAppend,
  Lease,
  NamedCheckpoint,
  ReadStreamRequest,
  StorageEngine,
  StreamPage,
  TimePlace,
} from './ports/storage-engine.js';
import type { Time } from './values/time.js';
import { StoreGate } from './services/store-gate.js';
import type { Stats, StoreSnapshot, StreamInfo, StreamQuery } from './values/stream-info.js';
import { checkGivenTarget, checkStart } from './ports/subscription-target.js';
import type {
  SubscribeOptions,
  Subscription,
  SubscriptionRegistry,
  SubscriptionSource,
  SubscriptionStart,
  SubscriptionTarget,
} from './ports/subscription.js';

/** How long an append of another process may go unnoticed when its hint was lost. */
const POLL_INTERVAL_MS = 1_000;

const APPEND_OPTIONS = ['expectedRevision', 'signal'];
const REPLAY_OPTIONS = ['filter', 'speed', 'batchSize', 'onProgress', 'signal'];
const SUBSCRIBE_OPTIONS = ['name', 'signal', 'batchSize', 'onCaughtUp', 'onGap', 'onFork'];

export interface AppendOptions {
  /** The revision the stream must be at: a number, `ANY` (the default), `NO_STREAM` or `STREAM_EXISTS`. */
  readonly expectedRevision?: ExpectedRevision;
  /** Checked before anything is kept. An append that has reached the engine is not undone. */
  readonly signal?: AbortSignal;
}

export interface CheckLogOptions {
  /** After how many problems to give up; 0 for never. Default 100. */
  readonly limit?: number;
  /** Ends the check early. */
  readonly signal?: AbortSignal;
}

export interface AppendResult {
  readonly streamId: string;
  /** The position of the batch's last event. */
  readonly revision: number;
  /** The position of the batch's first event: `revision - count + 1`. */
  readonly firstPosition: number;
  /** The global position of the batch's last event. */
  readonly globalPosition: number;
  readonly count: number;
}

/**
 * Streams of events: append, read, read by time, replay, subscribe.
 *
 * The public face of the store. It checks what it is given once, fills in defaults, and asks its engine; what an engine is
 * told has been checked, and what a caller passed in can be changed afterwards without changing the store. Every method
 * that returns a promise rejects with an `EventStoreError`, and throws nothing besides.
 */
export class EventStore {
  readonly #engine: StorageEngine;
  readonly #options: CheckedEventStoreOptions;
  readonly #signal = new AppendSignal();
  readonly #appendTrouble = new AppendTrouble();
  readonly #retentionClock: RetentionClock;
  readonly #retentionBound: RetentionBound;
  readonly #sweeper: RetentionSweeper;
  readonly #snapshots: SnapshotTaker;
  #subscriptions: SubscriptionRegistry;
  readonly #newSubscriptions: () => SubscriptionRegistry;
  readonly #gate: StoreGate;
  readonly #reader: EventReader;

  /** Retention tells them what it removes, for as long as somebody holds them. */
  readonly #replays = new Set<WeakRef<Replay>>();

  /** @internal The time that its end may take, with that of its handlers. */
  readonly ending: Ending;

  /** @internal What runs on it, and begins anew when it is emptied. */
  readonly runners = new Set<StoreRunner>();

  #emptying: Promise<void> = Promise.resolve();
  #instrumentation: GuardedInstrumentation | undefined;
  #closed: Promise<void> | undefined;
  #remembersHead = false;
  #headAtOpening = 0;
  #recordedSince = -Infinity;
  #wentBackAt: number | undefined;
  #eventsAppended = 0;
  #stopHints: (() => void) | undefined;

  /** @internal Use `openEventStore`, or `EventStoreModule` in a Nest application. */
  constructor(
    options: CheckedEventStoreOptions,
    engine: StorageEngine,
    subscriptionsOf: (source: SubscriptionSource) => SubscriptionRegistry,
  ) {
    this.#options = options;
    this.#engine = engine;
    // The call that happens to open it is not whom its connections and timers work for.
    const { name, shutdownTimeoutMs, clock, logger, metricsCollector } = options;
    this.ending = new Ending(name, shutdownTimeoutMs, clock, logger, () =>
      metricsCollector.onBackgroundFailure?.({ store: name, operation: 'shutdown' }),
    );
    this.#gate = new StoreGate(options.name, () => inOwnContext(() => this.#start()));
    this.#reader = new EventReader(options.name, engine, this.#gate, options.metricsCollector);
    this.#retentionClock = new RetentionClock(engine, options);
    this.#retentionBound = new RetentionBound(engine, options, this.#retentionClock);
    this.#sweeper = new RetentionSweeper(
      engine,
      options,
      this.#retentionClock,
      this.#retentionBound,
      () => this.#retention(),
      () => this.#replaysInUse(),
    );
    this.#snapshots = new SnapshotTaker(engine, options, this.#gate);
    this.#newSubscriptions = () => subscriptionsOf(this.#subscriptionSource());
    this.#subscriptions = this.#newSubscriptions();
    if (options.instrumentation) this.instrument(options.instrumentation);
  }

  /** The store's name, as it was configured. */
  get name(): string {
    return this.#options.name;
  }

  /** Told what the store does; also for those who work on its behalf, such as handlers. */
  get metricsCollector(): MetricsCollector {
    return this.#options.metricsCollector;
  }

  /** The most events a stream and the most streams the store may hold; Infinity for no limit. */
  get limits(): { readonly maxEventsPerStream: number; readonly maxStreams: number } {
    const { maxEventsPerStream, maxStreams } = this.#options;
    return { maxEventsPerStream, maxStreams };
  }

  /** @internal How long events are kept after they were recorded, in milliseconds; 0 for ever. */
  get retentionDurationMs(): number {
    return this.#options.retentionDurationMs;
  }

  /** @internal Whether `close` was called. */
  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** @internal Tells one more collector what the store does; for integrations that come after the store was made. */
  addMetricsCollector(collector: MetricsCollector): void {
    addCollector(this.#options.metricsCollector, collector, this.logger);
  }

  /** @internal What stands around appends and handler calls. */
  get instrumentation(): GuardedInstrumentation | undefined {
    return this.#instrumentation;
  }

  /**
   * @internal Lets an instrumentation stand around appends and handler calls; for integrations that come after the store
   * was made.
   *
   * @throws {ValidationError} when there is one already
   */
  instrument(instrumentation: Instrumentation): void {
    if (this.#instrumentation) {
      throw new ValidationError('instrumentation', `store "${this.name}" has one already: give it one, not two.`);
    }
    this.#instrumentation = guardInstrumentation(instrumentation, this.logger);
  }

  /** @internal How long closing waits for handlers that are at work. */
  get shutdownTimeoutMs(): number {
    return this.#options.shutdownTimeoutMs;
  }

  /** @internal Lets `headAtOpening` be known. To be called before the store is opened. */
  rememberHead(): void {
    this.#remembersHead = true;
  }

  /** @internal The global position of the last event there was when the store was opened. */
  get headAtOpening(): number {
    return this.#headAtOpening;
  }

  /** @internal The clock of the store, for those who work on its behalf. */
  get clock(): Clock {
    return this.#options.clock;
  }

  /** @internal Where failures without a caller are reported. */
  get logger(): StoreLogger {
    return this.#options.logger;
  }

  /** @internal Names this store among those that share the log: other in each process, and after each start of one. */
  instance = holderName();

  /** @internal The kind of its engine. */
  get engineName(): string {
    return this.#engine.name;
  }

  /** @internal Where its engine keeps events, in a few words. */
  get place(): string {
    return this.#engine.place ?? this.engineName;
  }

  /** @internal What the engine, as it is configured, can do. */
  get supports(): EngineCapabilities {
    return this.#engine.supports;
  }

  /** @internal The global position of the last event there is now. */
  async head(): Promise<number> {
    return this.#headNow();
  }

  /** @internal What a durable handler has kept under its name. */
  async loadCheckpoint(name: string): Promise<Checkpoint | undefined> {
    return this.#gate.call(() => this.#engine.loadCheckpoint(name));
  }

  /** @internal Makes what was kept survive a crash of the process, if the engine can and has to do something for that. */
  async flush(): Promise<void> {
    await this.#gate.call(() => this.#engine.flush?.());
  }

  /** @internal What all durable handlers have kept. */
  async listCheckpoints(): Promise<readonly NamedCheckpoint[]> {
    return this.#gate.call(() => this.#engine.listCheckpoints());
  }

  /**
   * @internal Keeps the checkpoint of a durable handler.
   *
   * @throws {LeaseLostError | CheckpointChangedError | LogForkedError}
   */
  async saveCheckpoint(
    name: string,
    checkpoint: Checkpoint,
    lease?: Lease,
    conditions?: CheckpointConditions,
  ): Promise<void> {
    await this.#gate.call(() => this.#engine.saveCheckpoint(name, checkpoint, lease, conditions));
    // From its first checkpoint on, retention waits for it.
    if (this.#retentionBound.lacks(name)) await this.#gate.call(() => this.#retentionBound.renew());
  }

  /**
   * @internal Says that the log went back: in the log of the application, to the metrics, and to whoever looks after the store.
   *
   * @param subscription the name of the handler or subscription that has found it out
   * @param then what that one does about it
   */
  noteFork(subscription: string, error: LogForkedError | CheckpointChangedError, then: string): void {
    const { name, clock, logger, metricsCollector } = this.#options;
    this.#wentBackAt = clock.now();
    logger.error(`Store "${name}": ${error.message} Now ${then}.`);
    metricsCollector.onLogFork?.({ store: name, subscription });
  }

  /** @internal When it was last found out that the log went back, in milliseconds since 1970; undefined when it never did. */
  get wentBackAt(): number | undefined {
    return this.#wentBackAt;
  }

  /** @internal What is at a position of a stream, or of the log (null), now. */
  async look(streamId: string | null, position: number): Promise<SeenAtPlace> {
    const request = { after: position, limit: 0, maxBytes: Infinity, direction: 'forward', wantsIds: true } as const;
    return this.#gate.call(async () => {
      const recordedSince = this.#retention();
      if (streamId === null) {
        const page = await this.#engine.readAll({ ...request, filter: undefined, recordedSince });
        return { head: page.head, trimmedTo: page.trimmedTo, id: page.afterId };
      }
      const page = await this.#engine.readStream({ ...request, streamId, types: undefined, recordedSince });
      return { head: page.revision, trimmedTo: page.trimmedTo, id: page.afterId };
    });
  }

  /**
   * @internal Takes a lease for this store, or prolongs it. One whose holder is a process that has ended counts as over.
   *
   * @param refused told who has it
   * @returns undefined while another store has it
   */
  async acquireLease(name: string, durationMs: number, refused?: (holder: string) => void): Promise<Lease | undefined> {
    return this.#gate.call(async () => {
      const request = { name, holder: this.instance, durationMs };
      const lease = await this.#engine.acquireLease!(request);
      if (lease) return lease;
      const held = (await this.#engine.listLeases!(name)).find((other) => other.name === name);
      if (!held) return undefined;
      // Of several who find that out, the engine gives it to one.
      if (hasEnded(held.holder)) return this.#engine.acquireLease!({ ...request, evenFrom: held });
      refused?.(held.holder);
      return undefined;
    });
  }

  /** @internal Ends a lease before its time. */
  async releaseLease(lease: Lease): Promise<void> {
    await this.#gate.call(() => this.#engine.releaseLease!(lease));
  }

  /** @internal The leases that somebody has now. One whose holder is a process that has ended counts as over. */
  async listLeases(prefix: string): Promise<readonly Lease[]> {
    const leases = await this.#gate.call(() => this.#engine.listLeases!(prefix));
    return leases.filter(({ holder }) => !hasEnded(holder));
  }

  /** @internal Runs `work` in a transaction of the engine. */
  async transact<T>(work: (transaction: EngineTransaction) => Promise<T>): Promise<T> {
    return this.#gate.call(() => this.#engine.transact!(work));
  }

  /**
   * Makes the store ready. Called by `openEventStore` and by the Nest module; calls that come earlier wait for it.
   * Idempotent.
   *
   * @throws what the engine fails with; calling `open` again tries again
   */
  open(): Promise<void> {
    return this.#gate.ready();
  }

  async #start(): Promise<void> {
    const { name, clock, logger, metricsCollector, startTimeoutMs } = this.#options;
    const onBackgroundFailure = (operation: string): void =>
      metricsCollector.onBackgroundFailure?.({ store: name, operation });
    const context = { storeName: name, clock, logger, onBackgroundFailure, ...this.limits };
    await openEngine(this.#engine, context, startTimeoutMs, this.#gate.closing);
    try {
      if (this.#remembersHead && !this.#closed) this.#headAtOpening = await this.#readHead();
      await this.#retentionClock.renew();
      if (this.#options.keepForDurable) await this.#retentionBound.renew();
      this.#stopHints = this.#engine.onAppended?.((streamId) => this.#signal.notify(streamId));
      this.#sweeper.start();
      this.#snapshots.start();
    } catch (error) {
      await this.#takeBackOpening();
      throw error;
    }
  }

  /** Leaves the engine as it was before, so that it can be opened again. */
  async #takeBackOpening(): Promise<void> {
    try {
      await this.#engine.close();
    } catch (error) {
      const problem = `Store "${this.name}" could not be opened, and its engine could not be closed again`;
      this.logger.error(`${problem}: ${messageOf(error)}`, stackOf(error));
    }
  }

  /** @internal Why the storage refuses appends, or has just refused one; undefined when it does not, as far as is known. */
  get appendTrouble(): Error | undefined {
    return this.#appendTrouble.current;
  }

  /**
   * Adds events to the end of a stream, all of them or none.
   *
   * When it resolves, they are kept as durably as the engine promises, and no handler has run yet. Appending the same
   * events with the same ids after the same numeric revision (or `NO_STREAM`) once more stores nothing and gives the first
   * result, so a call with an unknown outcome can be repeated.
   *
   * @param streamId 1 to 512 characters, no control characters, not beginning with `$`; made by its first append
   * @param events one, or a batch; an empty batch changes nothing. Their data may be of any type: whether JSON can hold
   *   it is checked here, and not by the compiler, which knows no difference between an interface and a `Map`
   * @throws {ValidationError} when an event is not acceptable
   * @throws {WrongExpectedRevisionError} when the stream is not at `expectedRevision`
   * @throws {StreamLimitReachedError} when the batch would go over a limit
   * @throws {OperationAbortedError | StoreClosedError}
   */
  append(
    streamId: string,
    events: NewEvent<unknown> | readonly NewEvent<unknown>[],
    options: AppendOptions = {},
  ): Promise<AppendResult> {
    const aroundAppend = this.#instrumentation?.aroundAppend;
    if (!aroundAppend) return this.#append(streamId, events, options, checkUserStreamId);
    const call = { store: this.name, streamId, events: sizeOf(events) };
    return aroundAppend(call, (added) => this.#append(streamId, events, options, checkUserStreamId, added));
  }

  /** @internal Appends to one of the store's own streams, whose ids begin with `$`. */
  appendInternally(streamId: string, events: NewEvent<unknown> | readonly NewEvent<unknown>[]): Promise<AppendResult> {
    return this.#append(streamId, events, {}, (name) => checkName(name, 'streamId'));
  }

  /** @internal Appends what an instrumentation stood around already: event by event, for each of those who wait for one. */
  appendInstrumented(
    streamId: string,
    events: readonly NewEvent<unknown>[],
    options: AppendOptions,
  ): Promise<AppendResult> {
    return this.#append(streamId, events, options, checkUserStreamId);
  }

  async #append(
    streamId: string,
    events: NewEvent<unknown> | readonly NewEvent<unknown>[],
    options: AppendOptions,
    checkStreamId: (streamId: string) => void,
    added?: AddedMetadata,
  ): Promise<AppendResult> {
    const { metricsCollector } = this.#options;
    const startedAt = metricsCollector.onAppend ? performance.now() : 0;
    let outcome = 'ok';
    try {
      checkMembers(options, 'options', APPEND_OPTIONS);
      const { expectedRevision = ANY, signal } = options;
      // Everything the caller could change later is read before the first await.
      checkStreamId(streamId);
      const batch = this.#accept(events, expectedRevision, added);
      if (!this.#gate.isOpen) await this.#gate.ready();
      if (signal?.aborted) throw new OperationAbortedError('append', signal.reason);
      const recordedSince = this.#retention();
      const asked = this.#engine.append({ streamId, events: batch, expectedRevision, recordedSince });
      const answer = isPromise(asked) ? await this.#gate.untilSettled(asked) : asked;
      this.#appendTrouble.noteKept();
      return this.#appended(streamId, batch.length, answer);
    } catch (error) {
      outcome = codeOf(error);
      this.#appendTrouble.noteFailure(error);
      throw error;
    } finally {
      metricsCollector.onAppend?.({
        store: this.name,
        outcome,
        events: sizeOf(events),
        durationMs: performance.now() - startedAt,
      });
    }
  }

  #accept(
    events: NewEvent<unknown> | readonly NewEvent<unknown>[],
    expectedRevision: ExpectedRevision,
    added: AddedMetadata | undefined,
  ): readonly EventToAppend[] {
    if (expectedRevision !== ANY && expectedRevision !== NO_STREAM && expectedRevision !== STREAM_EXISTS) {
      checkPosition(expectedRevision, 'expectedRevision');
    }
    if (!Array.isArray(events)) return [acceptEvent(events as NewEvent<unknown>, '', added)];
    const batch: EventToAppend[] = [];
    for (let index = 0; index < events.length; index++) {
      batch.push(acceptEvent(events[index] as NewEvent<unknown>, `events[${index}].`, added));
    }
    return batch;
  }

  #appended(streamId: string, count: number, answer: AppendAnswer): AppendResult {
    if (!answer.repeated && count > 0) {
      this.#eventsAppended += count;
      const { firstPosition, globalPosition } = answer;
      this.#signal.appended({ streamId, firstPosition, firstGlobalPosition: globalPosition - count + 1 });
    }
    return {
      streamId,
      revision: answer.firstPosition + count - 1,
      firstPosition: answer.firstPosition,
      globalPosition: answer.globalPosition,
      count,
    };
  }

  /**
   * Reads events of one stream, oldest first, starting after `cursor`.
   *
   * The returned cursor names the last event read: hand it back and the next read goes on without gap or repeat. Should the
   * log have been put back to an earlier state in between, the read fails: the events after the cursor's position may be others.
   *
   * @param cursor a cursor of this stream, or a position; default 0, before the first event. A position is taken at its word
   * @param limit at most so many events; 0 or less means all. Default 1 000. With a limit there are fewer, and `isEnd` is
   *   false, when their data and metadata would take more than 8 MiB of JSON; there is always one
   * @throws {StreamNotFoundError} when nothing was ever appended to the stream
   * @throws {LogForkedError} when the stream ends before the cursor, or has another event there
   * @throws {ValidationError | OperationAbortedError | StoreClosedError}
   */
  async read(
    streamId: string,
    cursor: Cursor | number = 0,
    limit = 1_000,
    options: ReadOptions = {},
  ): Promise<ReadResult> {
    const place = cursor instanceof Cursor ? cursor : undefined;
    const request = (): ReadStreamRequest => ({
      streamId: checkedName(streamId, 'streamId'),
      after: toPosition(cursor, streamId),
      limit: toLimit(limit),
      maxBytes: MOST_BYTES_A_PAGE,
      direction: 'forward',
      types: compileTypes(options.types, 'types'),
      recordedSince: this.#retention(),
      wantsIds: place?.mark !== undefined,
    });
    const page = this.#reader.stream('read', true, options, request, place);
    const { events, isEnd } = isPromise(page) ? await page : page;
    const last = events.at(-1);
    if (last) return { events, cursor: new Cursor(streamId, last.position, last.timestamp, markOf(last.id)), isEnd };
    return { events, cursor: cursor instanceof Cursor ? cursor : new Cursor(streamId, cursor), isEnd };
  }

  /**
   * Reads events of one stream: all, or as many as the limit says, however large they are.
   *
   * @param fromPosition exclusive: forward, the events after it; backward, those before it. 0, the default, begins at the
   *   respective end of the stream, as do `START` and `END`
   * @throws {StreamNotFoundError} when nothing was ever appended to the stream
   * @throws {ValidationError | OperationAbortedError | StoreClosedError}
   */
  async readStream(
    streamId: string,
    fromPosition: number | typeof START | typeof END = 0,
    options: ReadStreamOptions = {},
  ): Promise<RecordedEvent[]> {
    return (await this.#readStream(streamId, fromPosition, options, false)).events;
  }

  /**
   * @internal A page of one stream: as `readStream` with a limit, but no more than fits into a page, as from `read`.
   *
   * @returns also how far it goes, which is where the next one begins
   */
  async readStreamPage(
    streamId: string,
    fromPosition: number | typeof START | typeof END,
    options: ReadStreamOptions,
  ): Promise<{ readonly events: RecordedEvent[]; readonly position: number; readonly isEnd: boolean }> {
    return this.#readStream(streamId, fromPosition, options, true);
  }

  async #readStream(
    streamId: string,
    fromPosition: number | typeof START | typeof END,
    options: ReadStreamOptions,
    mayEndFull: boolean,
  ): Promise<StreamPage> {
    return this.#reader.stream('readStream', mayEndFull, options, () => {
      const { limit = 0, direction = 'forward', types } = options;
      checkDirection(direction);
      return {
        streamId: checkedName(streamId, 'streamId'),
        after: toBound(fromPosition, 'fromPosition', direction),
        limit: toLimit(limit),
        maxBytes: MOST_BYTES_A_PAGE,
        direction,
        types: compileTypes(types, 'types'),
        recordedSince: this.#retention(),
      };
    });
  }

  /**
   * Reads events of all streams in the order they were recorded.
   *
   * With a limit there are fewer, and `isEnd` is false, when their data and metadata would take more than 8 MiB of JSON;
   * there is always one.
   *
   * @throws {ValidationError | OperationAbortedError | StoreClosedError}
   */
  async readAll(options: ReadAllOptions = {}): Promise<ReadAllResult> {
    return this.#reader.all(options, () => {
      const { from = 0, limit = 1_000, direction = 'forward', filter } = options;
      checkDirection(direction);
      return {
        after: toBound(from, 'from', direction),
        limit: toLimit(limit),
        maxBytes: MOST_BYTES_A_PAGE,
        direction,
        filter: toFilter(filter),
        recordedSince: this.#retention(),
      };
    });
  }

  /**
   * Reads the events of all streams that happened between two times, both inclusive; oldest first, ties by global position,
   * whatever the order in which they arrived.
   *
   * @param from the beginning; left out, the range is open to the past
   * @param to the end; left out, it is open to the future
   * @throws {ValidationError | OperationAbortedError | StoreClosedError}
   */
  async readTimeRange(from?: Time, to?: Time, options: ReadTimeRangeOptions = {}): Promise<RecordedEvent[]> {
    const page = this.#reader.timeRange(options, () => {
      const range = toRange(from, to);
      return {
        from: range.from,
        to: range.to,
        limit: toLimit(options.limit ?? 0),
        filter: toFilter(options.filter),
        recordedSince: this.#retention(),
      };
    });
    return isPromise(page) ? (await page).events : page.events;
  }

  /**
   * The events of a time range once more, lazily: events are read when they are asked for, and what is appended from now on
   * does not belong to it.
   *
   * @param from inclusive; left out, the range is open to the past
   * @param to inclusive; left out, it is open to the future
   * @throws {ValidationError | StoreClosedError} at once; while reading, also `OperationAbortedError`
   */
  replay(from?: Time, to?: Time, options: ReplayOptions = {}): Replay {
    checkMembers(options, 'options', REPLAY_OPTIONS);
    const range = toRange(from, to);
    const { speed, batchSize = 512 } = options;
    if (speed !== undefined && !(typeof speed === 'number' && Number.isFinite(speed) && speed > 0)) {
      throw new ValidationError('speed', `${shown(speed)} is no speed: give a number above 0, such as 1 or 60.`);
    }
    checkBatchSize(batchSize);
    const filter = toFilter(options.filter);
    this.#gate.throwIfClosed();
    // What expires while it runs still belongs to it.
    const recordedSince = this.#retention();
    const asked = this.#headNow();
    let head = isPromise(asked) ? Infinity : asked;
    const maxBytes = MOST_BYTES_A_PAGE;
    const page = async (after: TimePlace | undefined, limit: number) => {
      head = await asked;
      const request = { ...range, after, upTo: head, limit, maxBytes, filter, recordedSince };
      return this.#gate.call(() => this.#engine.readTimeRange(request));
    };
    const covers = ({ timestamp, streamId, type, globalPosition }: RecordedEvent): boolean =>
      timestamp.getTime() >= range.from &&
      timestamp.getTime() <= range.to &&
      globalPosition <= head &&
      filter.matchesStream(streamId) &&
      filter.matchesType(type);
    const countRead = (events: number): void => void (this.#reader.eventsRead += events);
    const source = { clock: this.#options.clock, gate: this.#gate, page, covers, countRead };
    const replay = new Replay(source, { ...options, batchSize });
    if (this.#options.retentionDurationMs > 0) this.#replays.add(new WeakRef(replay));
    return replay;
  }

  /** The replays that somebody still holds. */
  #replaysInUse(): Replay[] {
    const inUse: Replay[] = [];
    for (const reference of this.#replays) {
      const replay = reference.deref();
      if (replay) inUse.push(replay);
      else this.#replays.delete(reference);
    }
    return inUse;
  }

  /**
   * Reads history first and then every event as it is appended, without a seam, a repeat or a loss.
   *
   * A subscription to a stream that does not exist yet waits for its first event.
   *
   * @param target a stream id, `{ stream }`, `{ streams: 'order-*' }` or `{ all: true }`, each also with `types`
   * @param from exclusive; default `START`
   * @throws {ValidationError | StoreClosedError} at once
   */
  subscribe(target: SubscriptionTarget, from: SubscriptionStart = START, options: SubscribeOptions = {}): Subscription {
    checkMembers(options, 'options', SUBSCRIBE_OPTIONS);
    const checked = checkGivenTarget(target);
    const start = checkStart(from, checked);
    if (options.name !== undefined) checkName(options.name, 'name');
    if (options.batchSize !== undefined) checkBatchSize(options.batchSize);
    this.#gate.throwIfClosed();
    return this.#subscriptions.open(checked, start, options);
  }

  /**
   * The streams that hold events, sorted by id (by code point).
   *
   * @throws {ValidationError | StoreClosedError}
   */
  async getStreams(query: StreamQuery = {}): Promise<StreamInfo[]> {
    checkMembers(query, 'options', ['prefix', 'limit', 'after']);
    const { prefix = '', limit = 0, after = '' } = query;
    if (prefix !== '') checkName(prefix, 'prefix');
    if (after !== '') checkName(after, 'after');
    const request = { streamId: undefined, prefix, after, limit: toLimit(limit) };
    const list = () => this.#engine.listStreams({ ...request, recordedSince: this.#retention() });
    return [...(await this.#gate.call(list))];
  }

  /**
   * What is kept of one stream.
   *
   * @throws {StreamNotFoundError} when nothing was ever appended to it
   * @throws {ValidationError | StoreClosedError}
   */
  async getStreamInfo(streamId: string): Promise<StreamInfo> {
    checkName(streamId, 'streamId');
    const request = { streamId, prefix: '', after: '', limit: 1 };
    const list = () => this.#engine.listStreams({ ...request, recordedSince: this.#retention() });
    const [info] = await this.#gate.call(list);
    if (!info) throw new StreamNotFoundError(streamId);
    return info;
  }

  /**
   * Writes everything that is kept at this moment to the engine's place for snapshots. Appends go on meanwhile.
   *
   * @throws {UnsupportedOperationError} when the engine has no such place
   * @throws what the engine fails with; the snapshots before are untouched
   * @throws {StoreClosedError}
   */
  async snapshot(): Promise<StoreSnapshot> {
    return this.#snapshots.take();
  }

  /**
   * Looks at everything that is kept for what cannot be: positions that are missing, streams that are not listed, events that
   * are out of order. It reads no event, takes as long as counting them all, and disturbs nobody.
   *
   * @throws {UnsupportedOperationError} when the engine cannot do it
   * @throws {ValidationError | OperationAbortedError | StoreClosedError}
   */
  async checkLog(options: CheckLogOptions = {}): Promise<LogCheck> {
    checkMembers(options, 'options', ['limit', 'signal']);
    const limit = toLimit(options.limit ?? 100);
    const problems: LogProblem[] = [];
    let state: LogCheckState | undefined;
    do {
      if (options.signal?.aborted) throw new OperationAbortedError('checkLog', options.signal.reason);
      const { problems: found, next } = await this.#gate.call(() => this.#verify(state));
      problems.push(...found);
      if (problems.length >= limit && (next || problems.length > limit)) {
        return { problems: problems.slice(0, limit), isComplete: false };
      }
      state = next;
    } while (state);
    return { problems, isComplete: true };
  }

  #verify(state: LogCheckState | undefined): MaybePromise<LogCheckPage> {
    if (this.#engine.verify) return this.#engine.verify(state);
    throw new UnsupportedOperationError('checkLog', `the engine "${this.#engine.name}" cannot do it.`);
  }

  /** What the store did since it was opened, and what it holds now. @throws {StoreClosedError} */
  async stats(): Promise<Stats> {
    const usage = () => this.#engine.usage({ recordedSince: this.#retention() });
    const { events, streams, bytes } = await this.#gate.call(usage);
    return {
      totalEvents: events,
      totalStreams: streams,
      eventsAppended: this.#eventsAppended,
      eventsRead: this.#reader.eventsRead,
      eventsExpired: this.#sweeper.removed,
      subscriptionsActive: this.#subscriptions.active,
      snapshotsCreated: this.#snapshots.created,
      memoryUsageBytes: bytes,
    };
  }

  /**
   * Removes now what has expired, instead of with the next sweep.
   *
   * @returns how many events were removed; 0 without a `retentionDuration`
   * @throws what `onExpire` throws; then nothing more was removed
   * @throws {StoreClosedError}
   */
  async sweep(): Promise<number> {
    await this.#gate.ready();
    return this.#sweeper.sweep();
  }

  /**
   * Ends the store: accepted appends are finished, subscriptions end, every later call gets a `StoreClosedError`, and what
   * changed since the last snapshot is written to one more if the engine has a place for it. Idempotent.
   *
   * @throws {LastSnapshotFailedError} when that snapshot failed; the store is closed all the same
   * @throws what the engine fails with
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { isOpen } = this.#gate;
    const callsEnded = this.ending.orGiveUp('the calls that are not answered', this.#gate.close());
    await this.#subscriptions.closeAll();
    const wasOpened = (await callsEnded) ?? isOpen;
    this.#snapshots.stop();
    this.#stopHints?.();
    await this.ending.orGiveUp('its sweep', this.#sweeper.stop());
    if (!wasOpened) return;
    try {
      await this.#snapshots.takeLast();
    } finally {
      const close = async (): Promise<void> => this.#engine.close();
      await this.ending.orGiveUp('closing its engine', close());
    }
  }

  /** @internal Forgets all that is kept: for `resetStore` of `/testing`. One call follows the other. */
  [EMPTY](): Promise<void> {
    this.#emptying = this.#emptying.catch(() => undefined).then(() => this.#emptyBetweenRuns());
    return this.#emptying;
  }

  async #emptyBetweenRuns(): Promise<void> {
    await this.#gate.ready();
    const runners = [...this.runners];
    await Promise.all(runners.map((runner) => runner.end()));
    try {
      await this.#empty();
    } finally {
      await Promise.all(runners.map((runner) => runner.begin()));
    }
  }

  async #empty(): Promise<void> {
    const engine = this.#engine as StorageEngine & Partial<EmptiableEngine>;
    const empty = engine[EMPTY]?.bind(engine);
    if (!empty) {
      const problem = `the engine "${engine.name}" cannot be emptied: make a new store for each test.`;
      throw new UnsupportedOperationError('resetStore', problem);
    }
    const { active } = this.#subscriptions;
    if (active > 0) {
      const open = active === 1 ? 'a subscription to it is open' : `${active} subscriptions to it are open`;
      throw new ValidationError('store', `${open}, which would not know where it is: close it before the reset.`);
    }
    await this.#gate.call(empty);
    // What it remembers of pages that were read is over.
    this.#subscriptions = this.#newSubscriptions();
    this.#replays.clear();
    this.#headAtOpening = 0;
    this.#recordedSince = -Infinity;
    this.#wentBackAt = undefined;
    await this.#gate.call(() => this.#retentionBound.renew());
  }

  /** The global position of the last event there is at the time of the call. */
  #headNow(): MaybePromise<number> {
    const head = this.#gate.call(() => this.#readHead());
    // Whoever awaits it gets the failure; until then nobody has to.
    if (isPromise(head)) head.catch(() => undefined);
    return head;
  }

  #readHead(): MaybePromise<number> {
    const page = this.#engine.readAll({
      after: 0,
      limit: 0,
      maxBytes: MOST_BYTES_A_PAGE,
      direction: 'forward',
      filter: undefined,
      recordedSince: -Infinity,
    });
    return isPromise(page) ? page.then(({ head }) => head) : page.head;
  }

  /** @internal Forgets the checkpoint of a durable handler. @returns whether there was one */
  async removeCheckpoint(name: string): Promise<boolean> {
    const hadOne = (await this.loadCheckpoint(name)) !== undefined;
    if (hadOne) await this.#gate.call(() => this.#engine.removeCheckpoint(name));
    return hadOne;
  }

  /**
   * Since when events must have been recorded to be seen. It never goes back, so that what was hidden stays hidden; what is
   * appended is not recorded before it.
   */
  #retention(): number {
    const { retentionDurationMs } = this.#options;
    if (retentionDurationMs === 0) return -Infinity;
    const expiredBefore = Math.min(
      Math.floor(this.#retentionClock.now() - retentionDurationMs),
      this.#retentionBound.neededSince,
    );
    if (!this.#retentionClock.isSet) return expiredBefore;
    this.#recordedSince = Math.max(this.#recordedSince, expiredBefore);
    return this.#recordedSince;
  }

  #subscriptionSource(): SubscriptionSource {
    const { name, clock, logger, metricsCollector } = this.#options;
    const direction = 'forward';
    const maxBytes = MOST_BYTES_A_PAGE;
    return {
      storeName: name,
      signal: this.#signal,
      clock,
      logger,
      metrics: metricsCollector,
      // Appends through this store wake its subscriptions for certain; hints of others may be lost.
      pollIntervalMs: this.#engine.onAppended && POLL_INTERVAL_MS,
      mayGoBack: this.#engine.supports.leases,
      readStream: (streamId, after, limit, types, wantsIds) => {
        const request = { streamId, after, limit, maxBytes, types, direction, wantsIds } as const;
        return this.#gate.call(() => this.#engine.readStream({ ...request, recordedSince: this.#retention() }));
      },
      readAll: (after, limit, filter, wantsIds) => {
        const request = { after, limit, maxBytes, filter, direction, wantsIds } as const;
        return this.#gate.call(() => this.#engine.readAll({ ...request, recordedSince: this.#retention() }));
      },
      streamEnds: (streamIds) => this.#gate.call(() => this.#engine.streamEnds?.(streamIds)),
      noteFork: (subscription, error, then) => this.noteFork(subscription, error, then),
      countRead: (events) => void (this.#reader.eventsRead += events),
    };
  }
}

function sizeOf(events: unknown): number {
  return Array.isArray(events) ? events.length : 1;
}
