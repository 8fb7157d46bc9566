import { ValidationError } from '../store/values/errors.js';
import type { RecordedEvent } from '../store/values/event.js';
import { checkMembers } from '../store/values/known-members.js';
import { checkCategory, kindOf } from '../store/values/names.js';
import {
  type Act,
  AGGREGATE_OPTIONS,
  type AggregateDefinition,
  type AggregateOptions,
  checkAggregateOptions,
  type CheckedSnapshotOptions,
  type SnapshotOptions,
  writesFirst,
} from './aggregate-definition.js';
import type { EVENTS, EventTypeOf, ReadDataOf, RecordArguments, RecordDataOf } from './event-map.js';
import type { Recording } from './recording.js';
import { readState, writeState } from './state-text.js';

/** How the state changes by events: the state after it, by the type of the event. */
export type Evolve<State, Events> = {
  readonly [Type in EventTypeOf<Events>]?: (
    state: State,
    data: ReadDataOf<Events>[Type],
    event: RecordedEvent,
  ) => State;
};

export interface DeciderSnapshotOptions<State> extends SnapshotOptions {
  /** What the snapshot of a state holds, where the state is no plain data. Goes with `fromSnapshot`. Default the state. */
  readonly toSnapshot?: (state: State) => unknown;
  /** The state that a snapshot holds. */
  readonly fromSnapshot?: (snapshot: never) => State;
}

export interface DeciderOptions<State, Events> extends Omit<AggregateOptions, 'snapshot'> {
  /** The state before the first event. */
  readonly initial: () => State;
  /**
   * The state after an event, by its type: from the state before it, the data as a reader gets it, and the event. Called when
   * the event is recorded and each time it is loaded, so it decides nothing and calls nothing outside.
   */
  readonly evolve: Evolve<State, Events>;
  readonly snapshot?: DeciderSnapshotOptions<State>;
}

/** Records an event. @returns the state after it */
export type Record<State, Events> = <Type extends EventTypeOf<Events>>(
  type: Type,
  ...args: RecordArguments<RecordDataOf<Events>[Type]>
) => State;

// Found also by another copy of the package, such as that of a library in a monorepo.
const DEFINITION = Symbol.for('nestjs-stream-store:decider');

/** A kind of aggregates that is declared by plain functions: see `decider`. */
export interface Decider<State, Events extends object> {
  readonly category: string;
  readonly initial: () => State;
  readonly evolve: Evolve<State, Events>;
  /** For the compiler alone. */
  readonly [EVENTS]?: Events;
}

/**
 * Declares a kind of aggregates by functions: a state, and how events change it. What decides is given to `update`.
 *
 * Its repository is injected by `@InjectAggregates`, in modules that import `EventSourcingModule.forFeature` with it.
 *
 * @param category what the ids of its streams begin with: no `-`, no `*`, and no `$` at the beginning
 * @typeParam Events what each type of event carries, `{ 'cart.item-added': { sku: string } }`, or `typeof` what `defineEvents` has
 *   answered
 * @throws {ValidationError} when an option is not acceptable
 */
export function decider<State, Events extends object>(
  category: string,
  options: DeciderOptions<State, Events>,
): Decider<State, Events> {
  const definition = new DeciderDefinition(category, options as DeciderOptions<unknown, object>);
  const { initial, evolve } = options;
  return Object.freeze({ category, initial, evolve, [DEFINITION]: definition });
}

/** What `decider` has made; undefined for anything else. */
export function deciderDefinitionOf(value: unknown): AggregateDefinition<unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as { [DEFINITION]?: AggregateDefinition<unknown> })[DEFINITION];
}

type Evolver = (state: unknown, data: unknown, event: RecordedEvent) => unknown;

class DeciderDefinition implements AggregateDefinition<unknown> {
  readonly snapshot: CheckedSnapshotOptions | undefined;
  readonly ignoreUnknown: boolean;
  readonly cacheBytes: number;
  readonly isPlain: boolean;
  readonly initial: () => unknown;
  readonly #evolvers: ReadonlyMap<string, Evolver>;
  readonly #toSnapshot: ((state: unknown) => unknown) | undefined;
  readonly #fromSnapshot: ((snapshot: never) => unknown) | undefined;

  constructor(
    readonly category: string,
    options: DeciderOptions<unknown, object>,
  ) {
    const place = `decider(${JSON.stringify(category)})`;
    checkCategory(category, `${place}.category`);
    checkMembers(options, place, ['initial', 'evolve', ...AGGREGATE_OPTIONS]);
    const { initial, evolve, snapshot, ...others } = options;
    if (typeof initial !== 'function')
      throw new ValidationError(
        `${place}.initial`,
        `it is ${kindOf(initial)}: give a function that makes the first state.`,
      );
    if (typeof evolve !== 'object' || evolve === null)
      throw new ValidationError(`${place}.evolve`, `it is ${kindOf(evolve)}: give a function for each type of event.`);
    const evolvers = Object.entries(evolve);
    for (const [type, evolver] of evolvers) {
      if (typeof evolver !== 'function')
        throw new ValidationError(`${place}.evolve["${type}"]`, `it is ${kindOf(evolver)}: give a function.`);
    }
    const snapshotOptions = ['every', 'version', 'toSnapshot', 'fromSnapshot'];
    const checked = checkAggregateOptions({ ...others, snapshot }, place, snapshotOptions);
    const { toSnapshot, fromSnapshot } = snapshot ?? {};
    if ((toSnapshot === undefined) !== (fromSnapshot === undefined))
      throw new ValidationError(`${place}.snapshot`, 'give both toSnapshot and fromSnapshot, or none of them.');
    this.initial = initial;
    this.snapshot = checked.snapshot;
    this.ignoreUnknown = checked.ignoreUnknown;
    this.cacheBytes = checked.cacheBytes;
    this.#evolvers = new Map(evolvers as [string, Evolver][]);
    this.#toSnapshot = toSnapshot;
    this.#fromSnapshot = fromSnapshot;
    this.isPlain = writesFirst(this);
  }

  get name(): string {
    return this.category;
  }

  knows(type: string): boolean {
    return this.#evolvers.has(type);
  }

  unknownType(type: string): string {
    return `evolve of "${this.category}" has no "${type}": add it, or say ignoreUnknown: true.`;
  }

  apply(state: unknown, event: RecordedEvent): unknown {
    const next = this.#evolvers.get(event.type)!(state, event.data, event);
    if (next !== undefined) return next;
    throw new ValidationError(
      `${this.category}.evolve["${event.type}"]`,
      'it answers with undefined: return the state.',
    );
  }

  decide(recording: Recording<unknown>, act: Act): unknown {
    const record = (...args: Parameters<Recording<unknown>['record']>) => recording.record(...args);
    return (act as (state: unknown, record: unknown) => unknown)(recording.state, record);
  }

  handedOut(state: unknown): unknown {
    return state;
  }

  write(state: unknown): string {
    if (!this.#toSnapshot) return writeState(state, this.category, { mayShare: true });
    const place = `${this.category}.toSnapshot()`;
    const text = writeState(this.#toSnapshot(state), place, { mayShare: true });
    if (writeState(this.#toSnapshot(this.read(text)), place, { mayShare: true }) === text) return text;
    throw new ValidationError(
      `${this.category}.fromSnapshot()`,
      'what it makes gives another toSnapshot(): restore all of it.',
    );
  }

  read(text: string): unknown {
    const snapshot = readState(text);
    return this.#fromSnapshot ? this.#fromSnapshot(snapshot as never) : snapshot;
  }
}
