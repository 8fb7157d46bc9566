import type { CheckedEventStoreOptions } from './event-store-options.js';
import { AppendSignal } from './ports/append-signal.js';
import {
  type AddedMetadata,
  guardInstrumentation,
  type GuardedInstrumentation,
  type Instrumentation,
} from './ports/instrumentation.js';
import type { StoreLogger } from './ports/logger.js';
import { addCollector, type MetricsCollector } from './ports/metrics-collector.js';
import type { EngineCapabilities, StorageEngine } from './ports/storage-engine.js';
import { checkGivenTarget, checkStart } from './ports/subscription-target.js';
import type {
  SubscribeOptions,
  Subscription,
  SubscriptionRegistry,
  SubscriptionSource,
  SubscriptionStart,
} from './ports/subscription.js';
import { inOwnContext } from './services/async-context.js';
import type { EventCatalog } from './services/event-catalog.js';
import {
  type AppendOptions,
  type AppendResult,
  EventAppender,
  type EventsToAppend,
  sizeOf,
} from './services/event-appender.js';
import { EventShaper } from './services/event-shaper.js';
import { EventReader } from './services/event-reader.js';
import { type CheckLogOptions, LogChecker } from './services/log-checker.js';
import {
  allRequest,
  checkBatchSize,
  type ReadAllOptions,
  type ReadAllResult,
  type ReadOptions,
  type ReadResult,
  readRequest,
  type ReadStreamOptions,
  type ReadTimeRangeOptions,
  streamRequest,
  timeRangeRequest,
} from './services/read-request.js';
import type { Replay, ReplayOptions } from './services/replay.js';
import { Replays } from './services/replays.js';
import { Retention } from './services/retention.js';
import { SnapshotTaker } from './services/snapshot-taker.js';
import { StoreGate } from './services/store-gate.js';
import { StoreLifecycle } from './services/store-lifecycle.js';
import { StoreLog } from './services/store-log.js';
import { subscriptionSource } from './services/subscription-source.js';
import { INTERNALS, StoreInternals } from './store-internals.js';
import type { Clock } from './values/clock.js';
import { Cursor, type END, START } from './values/cursor.js';
import { StreamNotFoundError, ValidationError } from './values/errors.js';
import type { RecordedEvent } from './values/event.js';
import { checkMembers } from './values/known-members.js';
import type { LogCheck } from './values/log-check.js';
import { isPromise } from './values/maybe-promise.js';
import { checkName, checkUserStreamId } from './values/names.js';
import { markOf } from './values/place.js';
import { toLimit } from './values/positions.js';
import type { Stats, StoreSnapshot, StreamInfo, StreamQuery } from './values/stream-info.js';
import type { SubscriptionTarget } from './values/target.js';
import type { Time } from './values/time.js';
import type { AnyEventDefinitions } from './values/typed/event-definitions.js';
import type { AppendableTo, ReadFrom, ReceivedFrom } from './values/typed/typed-verbs.js';

const SUBSCRIBE_OPTIONS = ['name', 'signal', 'batchSize', 'onCaughtUp', 'onGap', 'onFork'];

/**
 * Streams of events: append, read, read by time, replay, subscribe.
 *
 * The public face of the store. It checks what it is given once, fills in defaults, and asks its engine; what an engine is
 * told has been checked, and what a caller passed in can be changed afterwards without changing the store. Every method
 * that returns a promise rejects with an `EventStoreError`, and throws nothing besides.
 */
export class EventStore {
  readonly #options: CheckedEventStoreOptions;
  readonly #engine: StorageEngine;
  readonly #gate: StoreGate;
  readonly #log: StoreLog;
  readonly #appender: EventAppender;
  readonly #reader: EventReader;
  readonly #replays: Replays;
  readonly #retention: Retention;
  readonly #snapshots: SnapshotTaker;
  readonly #checker: LogChecker;
  readonly #lifecycle: StoreLifecycle;
  #instrumentation: GuardedInstrumentation | undefined;

  /** @internal */
  readonly [INTERNALS]: StoreInternals;

  /** @internal Use `openEventStore`, or `EventStoreModule` in a Nest application. */
  constructor(
    options: CheckedEventStoreOptions,
    engine: StorageEngine,
    subscriptionsOf: (source: SubscriptionSource) => SubscriptionRegistry,
  ) {
    this.#options = options;
    this.#engine = engine;
    const signal = new AppendSignal();
    // The call that happens to open it is not whom its connections and timers work for.
    const gate: StoreGate = new StoreGate(options.name, () => inOwnContext(() => lifecycle.open()));
    const retention = new Retention(engine, options);
    const { catalog } = options;
    const shaper = catalog?.changesEvents ? new EventShaper(catalog) : undefined;
    const log = new StoreLog(engine, gate, retention, shaper);
    const reader = new EventReader(options.name, log, options.metricsCollector, shaper !== undefined);
    const countRead = (events: number): void => void (reader.eventsRead += events);
    const appender = new EventAppender(options, gate, log, signal);
    const snapshots = new SnapshotTaker(engine, options, gate);
    const newSubscriptions = (): SubscriptionRegistry =>
      subscriptionsOf(
        subscriptionSource({
          options,
          engine,
          log,
          signal,
          noteFork: (...fork) => internals.noteFork(...fork),
          countRead,
        }),
      );
    const lifecycle: StoreLifecycle = new StoreLifecycle(
      engine,
      options,
      gate,
      log,
      retention,
      snapshots,
      signal,
      newSubscriptions,
    );
    const internals: StoreInternals = new StoreInternals({
      shaper,
      subscribe: (...subscription) => this.#subscribe(...subscription),
      appendOwn: (streamId, events) => this.#append(streamId, events, {}, undefined),
      options,
      engine,
      gate,
      log,
      appender,
      reader,
      retention,
      lifecycle,
    });
    this.#gate = gate;
    this.#retention = retention;
    this.#log = log;
    this.#reader = reader;
    this.#appender = appender;
    this.#snapshots = snapshots;
    this.#lifecycle = lifecycle;
    this.#replays = new Replays(options.clock, gate, log, retention, countRead);
    this.#checker = new LogChecker(engine, gate);
    this[INTERNALS] = internals;
    if (options.instrumentation) this.instrument(options.instrumentation);
  }

  /** The store's name, as it was configured. */
  get name(): string {
    return this.#options.name;
  }

  /** The kind of its engine, such as `memory`. */
  get engineName(): string {
    return this.#engine.name;
  }

  /** Where its engine keeps events and what survives the end of the process, in a few words for people; no secrets. */
  get place(): string {
    return this.#engine.place ?? this.engineName;
  }

  /** What the engine, as it is configured, can do. */
  get supports(): EngineCapabilities {
    return this.#engine.supports;
  }

  /** The most events a stream and the most streams the store may hold; Infinity for no limit. */
  get limits(): { readonly maxEventsPerStream: number; readonly maxStreams: number } {
    const { maxEventsPerStream, maxStreams } = this.#options;
    return { maxEventsPerStream, maxStreams };
  }

  /** How long events are kept after they were recorded, in milliseconds; 0 for ever. */
  get retentionDurationMs(): number {
    return this.#options.retentionDurationMs;
  }

  /** Where the store takes the time from: whoever works on its behalf takes it there too, so that a test can move it. */
  get clock(): Clock {
    return this.#options.clock;
  }

  /** Where failures without a caller are reported. */
  get logger(): StoreLogger {
    return this.#options.logger;
  }

  /** Told what the store does; also to be told by those who work on its behalf. */
  get metricsCollector(): MetricsCollector {
    return this.#options.metricsCollector;
  }

  /** Tells one more collector what the store does; for integrations that come after the store was made. */
  addMetricsCollector(collector: MetricsCollector): void {
    addCollector(this.#options.metricsCollector, collector, this.logger);
  }

  /** What stands around appends and handler calls; undefined for nothing. */
  get instrumentation(): GuardedInstrumentation | undefined {
    return this.#instrumentation;
  }

  /**
   * Lets an instrumentation stand around appends and handler calls; for integrations that come after the store was made.
   *
   * @throws {ValidationError} when there is one already
   */
  instrument(instrumentation: Instrumentation): void {
    if (this.#instrumentation) {
      throw new ValidationError('instrumentation', `store "${this.name}" has one already: give it one, not two.`);
    }
    this.#instrumentation = guardInstrumentation(instrumentation, this.logger);
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#lifecycle.isClosed;
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
  append<Id extends string>(
    streamId: Id,
    events: AppendableTo<Id> | readonly AppendableTo<Id>[],
    options: AppendOptions = {},
  ): Promise<AppendResult> {
    return this.#append(streamId, events, options, this.#options.catalog);
  }

  #append(
    streamId: string,
    events: EventsToAppend,
    options: AppendOptions,
    catalog: EventCatalog | undefined,
  ): Promise<AppendResult> {
    const append = (added?: AddedMetadata): Promise<AppendResult> =>
      this.#appender.append(streamId, events, options, checkUserStreamId, catalog, added);
    const aroundAppend = this.#instrumentation?.aroundAppend;
    return aroundAppend ? aroundAppend({ store: this.name, streamId, events: sizeOf(events) }, append) : append();
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
    const request = () => readRequest(streamId, cursor, limit, options);
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
  async readStream<Definitions extends AnyEventDefinitions | undefined = undefined, Id extends string = string>(
    streamId: Id,
    fromPosition: number | typeof START | typeof END = 0,
    options: ReadStreamOptions = {},
  ): Promise<ReadFrom<Definitions, Id>[]> {
    const request = () => streamRequest(streamId, fromPosition, options);
    const page = this.#reader.stream('readStream', false, options, request);
    const { events } = isPromise(page) ? await page : page;
    return events as ReadFrom<Definitions, Id>[];
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
    return this.#reader.all(options, () => allRequest(options));
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
    const page = this.#reader.timeRange(options, () => timeRangeRequest(from, to, options));
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
    return this.#replays.make(from, to, options);
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
  subscribe<
    Definitions extends AnyEventDefinitions | undefined = undefined,
    Target extends SubscriptionTarget = SubscriptionTarget,
  >(
    target: Target,
    from: SubscriptionStart = START,
    options: SubscribeOptions = {},
  ): Subscription<ReceivedFrom<Definitions, Target>> {
    const subscription = this.#subscribe(target, from, options, false);
    return subscription as Subscription<RecordedEvent<unknown>> as Subscription<ReceivedFrom<Definitions, Target>>;
  }

  #subscribe(
    target: SubscriptionTarget,
    from: SubscriptionStart,
    options: SubscribeOptions,
    takesUnreadable: boolean,
  ): Subscription {
    checkMembers(options, 'options', SUBSCRIBE_OPTIONS);
    const checked = checkGivenTarget(target);
    const start = checkStart(from, checked);
    if (options.name !== undefined) checkName(options.name, 'name');
    if (options.batchSize !== undefined) checkBatchSize(options.batchSize);
    this.#gate.throwIfClosed();
    return this.#lifecycle.subscriptions.open(checked, start, options, takesUnreadable);
  }

  /** The global position of the last event there is now; 0 for an empty log. @throws {StoreClosedError} */
  async head(): Promise<number> {
    return this.#log.ask((view) => view.head());
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
    return [...(await this.#log.ask((view) => view.listStreams(request)))];
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
    const [info] = await this.#log.ask((view) => view.listStreams(request));
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
    return this.#checker.check(options);
  }

  /** What the store did since it was opened, and what it holds now. @throws {StoreClosedError} */
  async stats(): Promise<Stats> {
    const { events, streams, bytes } = await this.#log.ask((view) => view.usage());
    return {
      totalEvents: events,
      totalStreams: streams,
      eventsAppended: this.#appender.eventsAppended,
      eventsRead: this.#reader.eventsRead,
      eventsExpired: this.#retention.removed,
      subscriptionsActive: this.#lifecycle.subscriptions.active,
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
    return this.#retention.sweep();
  }

  /**
   * Ends the store: accepted appends are finished, subscriptions end, every later call gets a `StoreClosedError`, and what
   * changed since the last snapshot is written to one more if the engine has a place for it. Idempotent.
   *
   * @throws {LastSnapshotFailedError} when that snapshot failed; the store is closed all the same
   * @throws what the engine fails with
   */
  close(): Promise<void> {
    return this.#lifecycle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
