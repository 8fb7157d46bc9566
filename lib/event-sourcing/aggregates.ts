import type { EventStore } from '../store/event-store.js';
import { AggregateNotFoundError, ValidationError } from '../store/values/errors.js';
import { checkUserStreamId, kindOf } from '../store/values/names.js';
import { checkPosition } from '../store/values/positions.js';
import { toTime } from '../store/values/time.js';
import type { Act, AggregateDefinition } from './aggregate-definition.js';
import { AggregateLog } from './aggregate-log.js';
import { AggregateWriter, type CommandOutcome } from './aggregate-writer.js';
import { CommandMemory } from './command-memory.js';
import type { Decider, Record } from './decider.js';
import type { EVENTS, RecordedEventOf } from './event-map.js';
import { documentsOf, SnapshotDocuments } from './snapshot-documents.js';
import { StateCache } from './state-cache.js';
import { NOW, StateLoader, type Until } from './state-loader.js';
import { StreamTurns } from './stream-turns.js';
import {
  checkCreateOptions,
  type CheckedUpdateOptions,
  checkUpdateOptions,
  type CreateOptions,
  type UpdateOptions,
} from './update-options.js';

/** The state of an aggregate: an instance of its class, or what its decider makes. */
export type StateOf<X> = X extends Decider<infer State, object> ? State : X;

/** What each type of event of an aggregate carries. */
export type EventsOf<X> = X extends { readonly [EVENTS]?: infer Events } ? NonNullable<Events> : never;

/** What decides: it gets an instance, or a state and a way to record. Throwing refuses the command; nothing is kept then. */
export type ActOf<X> =
  X extends Decider<infer State, infer Events>
    ? (state: State, record: Record<State, Events>) => unknown
    : (aggregate: X) => unknown;

/** What is known of an aggregate after a call. */
export interface AggregateResult<X> {
  /** An instance of its own: whatever is done with it changes nothing that is kept. */
  readonly state: StateOf<X>;
  /** The position of the last event in the state; 0 before the first. */
  readonly revision: number;
  /** The global position of that event: what a projection is waited for with. */
  readonly globalPosition: number;
  /** What the call recorded; none where it only read. */
  readonly events: readonly RecordedEventOf<EventsOf<X>>[];
}

/** What works on the store, once it is known. */
interface Parts {
  readonly log: AggregateLog;
  readonly loader: StateLoader<unknown>;
  readonly writer: AggregateWriter;
}

/**
 * The repository of one kind of aggregates: loads their states from their streams, lets an act decide, and appends what it
 * records, unless somebody else was first.
 *
 * Injected by `@InjectAggregates(X)`; outside Nest, `aggregatesOf(store, X)` makes one.
 *
 * @typeParam X the class, as in `Aggregates<Account>`, or the type of a decider, as in `Aggregates<typeof cart>`
 */
export class Aggregates<X> {
  readonly #definition: AggregateDefinition<unknown>;
  readonly #store: () => Promise<EventStore>;
  #parts: Promise<Parts> | undefined;

  /** @internal Use `@InjectAggregates` or `aggregatesOf`. */
  constructor(definition: AggregateDefinition<unknown>, store: () => Promise<EventStore>) {
    this.#definition = definition;
    this.#store = store;
  }

  /**
   * The state of an aggregate.
   *
   * @throws {AggregateNotFoundError} when it was never created
   * @throws {EventsExpiredError} when retention removed events of it
   * @throws {ValidationError} when the id is not acceptable, or there is an event of a type that nothing applies
   */
  async get(id: string): Promise<AggregateResult<X>> {
    const found = await this.find(id);
    if (!found) throw new AggregateNotFoundError(this.#definition.category, id);
    return found;
  }

  /** As `get`, but undefined when it was never created. */
  async find(id: string): Promise<AggregateResult<X> | undefined> {
    const result = await this.#load(id, NOW);
    return result.revision > 0 ? result : undefined;
  }

  /** Whether it was ever created. */
  async exists(id: string): Promise<boolean> {
    const streamId = this.#streamOf(id);
    const { log } = await this.#ready();
    return (await log.revision(streamId)) > 0;
  }

  /**
   * The state as it was: after an event, or at a time by when events were kept, both inclusive.
   *
   * @param at a revision, at most that of the aggregate now; or a date
   * @throws {AggregateNotFoundError} when it had no event then
   * @throws {ValidationError} when the aggregate has not come to that revision
   * @throws {EventsExpiredError} when retention removed events of it
   */
  async stateAt(id: string, at: number | Date): Promise<AggregateResult<X>> {
    if (typeof at === 'number') checkPosition(at, 'revision');
    const until: Until =
      typeof at === 'number'
        ? { revision: at, recordedAt: Infinity }
        : { revision: Infinity, recordedAt: toTime(at, 'date') };
    const result = await this.#load(id, until);
    if (result.revision === 0) throw new AggregateNotFoundError(this.#definition.category, id);
    if (typeof at !== 'number' || result.revision === at) return result;
    const problem = `${this.#definition.category} "${id}" is at revision ${result.revision}, and never was at ${at}.`;
    throw new ValidationError('revision', problem);
  }

  /**
   * Lets an act make the first events of an aggregate.
   *
   * @throws {WrongExpectedRevisionError} when it was created before, also when retention has emptied its stream since
   * @throws what the act throws, with nothing kept; and what `update` throws
   */
  async create(id: string, act: ActOf<X>, options: CreateOptions = {}): Promise<AggregateResult<X>> {
    return this.#write(id, act, checkCreateOptions(options), true);
  }

  /**
   * Lets an act decide on the state of an aggregate, and keeps what it records: all of it, after the state it was decided on,
   * or nothing. An aggregate that was never created is in its first state.
   *
   * When somebody else appends first, the new state is loaded and the act is called again. The calls of this process to one
   * aggregate take turns, so that does not happen among them. When the storage goes away, so that it is not known whether the
   * events were kept, nothing is tried again: a call with the same `commandId` finds it out.
   *
   * @param act may be asynchronous, and may be called several times
   * @throws what the act throws, with nothing kept
   * @throws {WrongExpectedRevisionError} when the aggregate is not at `expectedRevision`, or every attempt was too late
   * @throws {EventsExpiredError} when retention removed events of it
   * @throws {ValidationError} when an option, the id or an event is not acceptable, or the state cannot be kept in the
   *   snapshots it is to have
   * @throws {StorageUnavailableError | StreamLimitReachedError | StoreClosedError}
   */
  async update(id: string, act: ActOf<X>, options: UpdateOptions = {}): Promise<AggregateResult<X>> {
    return this.#write(id, act, checkUpdateOptions(options), false);
  }

  async #load(id: string, until: Until): Promise<AggregateResult<X>> {
    const streamId = this.#streamOf(id);
    const { loader } = await this.#ready();
    return this.#result({ loaded: await loader.load(streamId, id, 1, until), events: [] });
  }

  async #write(id: string, act: unknown, options: CheckedUpdateOptions, creates: boolean): Promise<AggregateResult<X>> {
    const streamId = this.#streamOf(id);
    if (typeof act !== 'function') throw new ValidationError('act', `it is ${kindOf(act)}: give a function.`);
    const { writer } = await this.#ready();
    return this.#result(await writer.carryOut({ streamId, id, act: act as Act, options, creates }));
  }

  #result({ loaded, events }: CommandOutcome): AggregateResult<X> {
    const { revision, globalPosition } = loaded;
    const state = loaded.take() as StateOf<X>;
    return { state, revision, globalPosition, events: events as unknown as AggregateResult<X>['events'] };
  }

  #streamOf(id: string): string {
    if (typeof id !== 'string' || id === '')
      throw new ValidationError('id', `it is ${id === '' ? 'empty' : kindOf(id)}: give a text.`);
    const streamId = `${this.#definition.category}-${id}`;
    checkUserStreamId(streamId, 'id');
    return streamId;
  }

  async #ready(): Promise<Parts> {
    const parts = (this.#parts ??= this.#store().then((store) => partsOf(this.#definition, store)));
    try {
      return await parts;
    } catch (error) {
      this.#parts = undefined;
      throw error;
    }
  }
}

function partsOf(definition: AggregateDefinition<unknown>, store: EventStore): Parts {
  const log = new AggregateLog(store);
  const documents = definition.snapshot && documentsOf(store);
  const snapshots = documents && new SnapshotDocuments(store, documents, definition, definition.snapshot);
  const loader = new StateLoader(definition, log, new StateCache(definition.cacheBytes), snapshots);
  const turns = new StreamTurns(store.clock);
  return { log, loader, writer: new AggregateWriter(definition, log, loader, new CommandMemory(log), turns) };
}
