import type { CheckedEventStoreOptions } from './event-store-options.js';
import type {
  CheckpointConditions,
  EngineTransaction,
  GetDocumentsRequest,
  Lease,
  ListDocumentsRequest,
  NamedCheckpoint,
  StorageEngine,
  StoredDocument,
  StreamPage,
  WriteDocumentsRequest,
} from './ports/storage-engine.js';
import type { SubscribeOptions, Subscription, SubscriptionStart } from './ports/subscription.js';
import type { StoreRunner } from './services/emptying.js';
import type { Ending } from './services/ending.js';
import type { AppendOptions, AppendResult, EventAppender, EventsToAppend } from './services/event-appender.js';
import type { EventCatalog } from './services/event-catalog.js';
import type { EventShaper } from './services/event-shaper.js';
import type { EventReader } from './services/event-reader.js';
import { hasEnded, holderName } from './services/holder-name.js';
import { type ReadStreamOptions, streamRequest } from './services/read-request.js';
import type { Retention } from './services/retention.js';
import type { StoreGate } from './services/store-gate.js';
import type { StoreLifecycle } from './services/store-lifecycle.js';
import type { StoreLog } from './services/store-log.js';
import type { Checkpoint } from './values/checkpoint.js';
import type { END, START } from './values/cursor.js';
import { type CheckpointChangedError, type LogForkedError, ValidationError } from './values/errors.js';
import type { RecordedEvent } from './values/event.js';
import { checkName, checkUserStreamId } from './values/names.js';
import type { Place, SeenAtPlace } from './values/place.js';
import type { SubscriptionTarget } from './values/target.js';

/** A document is read and written whole. */
const MOST_DOCUMENT_BYTES = 2 ** 20;

/** Where a store keeps its inner door: registered, so that it opens to every copy of the package that an application has loaded. */
export const INTERNALS = Symbol.for('nestjs-stream-store.internals');

/** The parts of a store that its inner door leads to. */
export interface StoreParts {
  readonly options: CheckedEventStoreOptions;
  readonly engine: StorageEngine;
  readonly gate: StoreGate;
  readonly log: StoreLog;
  readonly appender: EventAppender;
  readonly reader: EventReader;
  readonly retention: Retention;
  readonly lifecycle: StoreLifecycle;
  /** Undefined when every event is read as it was written. */
  readonly shaper: EventShaper | undefined;
  readonly subscribe: (
    target: SubscriptionTarget,
    from: SubscriptionStart,
    options: SubscribeOptions,
    takesUnreadable: boolean,
  ) => Subscription;
  /** Appends what no definition of the user's is asked about, with the instrumentation around it. */
  readonly appendOwn: (streamId: string, events: EventsToAppend) => Promise<AppendResult>;
}

/**
 * What this package does with a store beyond what users do with it: checkpoints and leases of handlers, its own streams, the
 * order in which an application opens and ends. Nothing here is promised to anybody else; what integrations of others need
 * is public on `EventStore`.
 */
export class StoreInternals {
  /** Names this store among those that share the log: other in each process, and after each start of one. */
  instance = holderName();

  #wentBackAt: number | undefined;

  constructor(private readonly parts: StoreParts) {}

  /** The time that the end of the store may take, with that of its handlers. */
  get ending(): Ending {
    return this.parts.lifecycle.ending;
  }

  /** What runs on the store, and begins anew when it is emptied. */
  get runners(): Set<StoreRunner> {
    return this.parts.lifecycle.runners;
  }

  /** How long closing waits for handlers that are at work, in milliseconds. */
  get shutdownTimeoutMs(): number {
    return this.parts.options.shutdownTimeoutMs;
  }

  /**
   * Takes the default limit of streams away, for who keeps each of its things in a stream; one that was given stays. To be
   * called before the store is opened.
   */
  liftDefaultMaxStreams(): void {
    const { options } = this.parts;
    if (options.hasDefaultMaxStreams) options.maxStreams = Infinity;
  }

  /** Lets `headAtOpening` be known. To be called before the store is opened. */
  rememberHead(): void {
    this.parts.lifecycle.rememberHead();
  }

  /** The global position of the last event there was when the store was opened. */
  get headAtOpening(): number {
    return this.parts.lifecycle.headAtOpening;
  }

  /** Why the storage refuses appends, or has just refused one; undefined when it does not, as far as is known. */
  get appendTrouble(): Error | undefined {
    return this.parts.appender.trouble;
  }

  /** The types of events that the store knows; undefined when it knows none. */
  get catalog(): EventCatalog | undefined {
    return this.parts.options.catalog;
  }

  /** The event in the shape that the store knows now. What cannot be brought into it is noted: see `upcastFailureOf`. */
  shape(event: RecordedEvent): RecordedEvent {
    return this.parts.shaper?.shape(event) ?? event;
  }

  /**
   * As `subscribe`, for those who see to events that cannot be brought into their present shape themselves, by
   * `upcastFailureOf`: their subscription does not end there.
   */
  subscribeToAll(target: SubscriptionTarget, from: SubscriptionStart, options: SubscribeOptions): Subscription {
    return this.parts.subscribe(target, from, options, true);
  }

  /** Appends to one of the store's own streams, whose ids begin with `$`. */
  appendInternally(streamId: string, events: EventsToAppend): Promise<AppendResult> {
    return this.parts.appender.append(streamId, events, {}, (name) => checkName(name, 'streamId'), undefined);
  }

  /** Appends events of this package to a stream of the user's, whatever types that defines. */
  appendOwn(streamId: string, events: EventsToAppend): Promise<AppendResult> {
    return this.parts.appendOwn(streamId, events);
  }

  /** Appends what an instrumentation stood around already: event by event, for each of those who wait for one. */
  appendInstrumented(streamId: string, events: EventsToAppend, options: AppendOptions): Promise<AppendResult> {
    return this.parts.appender.append(streamId, events, options, checkUserStreamId, undefined);
  }

  /**
   * A page of one stream: as `readStream` with a limit, but no more than fits into a page, as from `read`.
   *
   * @returns also how far it goes, which is where the next one begins
   */
  async readStreamPage(
    streamId: string,
    fromPosition: number | typeof START | typeof END,
    options: ReadStreamOptions,
  ): Promise<{ readonly events: RecordedEvent[]; readonly position: number; readonly isEnd: boolean }> {
    const request = () => streamRequest(streamId, fromPosition, options);
    return this.parts.reader.stream('readStream', true, options, request);
  }

  /**
   * The events of a stream after a place, as a page of at most 1 000, with where the stream ends and how far it was trimmed.
   *
   * @throws {StreamNotFoundError} when nothing was ever appended to the stream
   * @throws {LogForkedError} when the stream does not go on from the place
   */
  async readStreamAfter(streamId: string, place: Place): Promise<StreamPage> {
    const request = () => ({ ...streamRequest(streamId, place.position, { limit: 1_000 }), wantsIds: true });
    return this.parts.reader.stream('readStream', true, {}, request, place);
  }

  /** What is at a position of a stream, or of the log (null), now. */
  look(streamId: string | null, position: number): Promise<SeenAtPlace> {
    return this.parts.log.look(streamId, position);
  }

  /**
   * Says that the log went back: in the log of the application, to the metrics, and to whoever looks after the store.
   *
   * @param subscription the name of the handler or subscription that has found it out
   * @param then what that one does about it
   */
  noteFork(subscription: string, error: LogForkedError | CheckpointChangedError, then: string): void {
    const { name, clock, logger, metricsCollector } = this.parts.options;
    this.#wentBackAt = clock.now();
    logger.error(`Store "${name}": ${error.message} Now ${then}.`);
    metricsCollector.onLogFork?.({ store: name, subscription });
  }

  /** When it was last found out that the log went back, in milliseconds since 1970; undefined when it never did. */
  get wentBackAt(): number | undefined {
    return this.#wentBackAt;
  }

  /** Forgets all that is kept: for `resetStore` of `/testing`. */
  async empty(): Promise<void> {
    await this.parts.lifecycle.empty();
    this.#wentBackAt = undefined;
  }

  /** Makes what was kept survive a crash of the process, if the engine can and has to do something for that. */
  async flush(): Promise<void> {
    const { gate, engine } = this.parts;
    await gate.call(() => engine.flush?.());
  }

  /** Runs `work` in a transaction of the engine. */
  async transact<T>(work: (transaction: EngineTransaction) => Promise<T>): Promise<T> {
    const { gate, engine } = this.parts;
    return gate.call(() => engine.transact!(work));
  }

  /** What a durable handler has kept under its name. */
  async loadCheckpoint(name: string): Promise<Checkpoint | undefined> {
    const { gate, engine } = this.parts;
    return gate.call(() => engine.loadCheckpoint(name));
  }

  /** What all durable handlers have kept. */
  async listCheckpoints(): Promise<readonly NamedCheckpoint[]> {
    const { gate, engine } = this.parts;
    return gate.call(() => engine.listCheckpoints());
  }

  /**
   * Keeps the checkpoint of a durable handler.
   *
   * @throws {LeaseLostError | CheckpointChangedError | LogForkedError}
   */
  async saveCheckpoint(
    name: string,
    checkpoint: Checkpoint,
    lease?: Lease,
    conditions?: CheckpointConditions,
  ): Promise<void> {
    const { gate, engine, retention } = this.parts;
    await gate.call(() => engine.saveCheckpoint(name, checkpoint, lease, conditions));
    // From its first checkpoint on, retention waits for it.
    if (retention.lacks(name)) await gate.call(() => retention.renewBound());
  }

  /** Forgets the checkpoint of a durable handler. @returns whether there was one */
  async removeCheckpoint(name: string): Promise<boolean> {
    const { gate, engine } = this.parts;
    const hadOne = (await this.loadCheckpoint(name)) !== undefined;
    if (hadOne) await gate.call(() => engine.removeCheckpoint(name));
    return hadOne;
  }

  /** Documents of a collection by their keys: those that are there. */
  async getDocuments(request: GetDocumentsRequest): Promise<readonly StoredDocument[]> {
    const { gate, engine } = this.parts;
    return gate.call(() => engine.getDocuments!(request));
  }

  /** Documents of a collection in the order of their keys. */
  async listDocuments(request: ListDocumentsRequest): Promise<readonly StoredDocument[]> {
    const { gate, engine } = this.parts;
    return gate.call(() => engine.listDocuments!(request));
  }

  /**
   * Keeps documents, removes others, and keeps the checkpoint that they stand for, in one step.
   *
   * @throws {ValidationError} when a document has more than 1 MiB
   * @throws {LeaseLostError | CheckpointChangedError | LogForkedError}
   */
  async writeDocuments(request: WriteDocumentsRequest): Promise<void> {
    const { gate, engine, retention } = this.parts;
    for (const { key, document } of request.put) checkDocumentSize(key, document);
    await gate.call(() => engine.writeDocuments!(request));
    const { checkpoint } = request;
    if (checkpoint && retention.lacks(checkpoint.name)) await gate.call(() => retention.renewBound());
  }

  /** Removes all documents of a collection. */
  async dropDocuments(collection: string): Promise<void> {
    const { gate, engine } = this.parts;
    await gate.call(() => engine.dropDocuments!({ collection }));
  }

  /**
   * Takes a lease for this store, or prolongs it. One whose holder is a process that has ended counts as over.
   *
   * @param refused told who has it
   * @returns undefined while another store has it
   */
  async acquireLease(name: string, durationMs: number, refused?: (holder: string) => void): Promise<Lease | undefined> {
    const { gate, engine } = this.parts;
    return gate.call(async () => {
      const request = { name, holder: this.instance, durationMs };
      const lease = await engine.acquireLease!(request);
      if (lease) return lease;
      const held = (await engine.listLeases!(name)).find((other) => other.name === name);
      if (!held) return undefined;
      // Of several who find that out, the engine gives it to one.
      if (hasEnded(held.holder)) return engine.acquireLease!({ ...request, evenFrom: held });
      refused?.(held.holder);
      return undefined;
    });
  }

  /** Ends a lease before its time. */
  async releaseLease(lease: Lease): Promise<void> {
    const { gate, engine } = this.parts;
    await gate.call(() => engine.releaseLease!(lease));
  }

  /** The leases that somebody has now. One whose holder is a process that has ended counts as over. */
  async listLeases(prefix: string): Promise<readonly Lease[]> {
    const { gate, engine } = this.parts;
    const leases = await gate.call(() => engine.listLeases!(prefix));
    return leases.filter(({ holder }) => !hasEnded(holder));
  }
}

function checkDocumentSize(key: string, document: string): void {
  // A character takes three bytes at most.
  if (document.length * 3 <= MOST_DOCUMENT_BYTES || Buffer.byteLength(document) <= MOST_DOCUMENT_BYTES) return;
  throw new ValidationError(`document "${key}"`, `it has more than ${MOST_DOCUMENT_BYTES} bytes: keep less in it.`);
}

/** The inner door of a store: for this package, and for no application. */
export function internalsOf(store: { readonly [INTERNALS]: StoreInternals }): StoreInternals {
  return store[INTERNALS];
}
