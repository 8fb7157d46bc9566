import { ValidationError } from '../store/values/errors.js';
import type { RecordedEvent } from '../store/values/event.js';
import { checkMembers } from '../store/values/known-members.js';
import { checkCategory, kindOf } from '../store/values/names.js';
import {
  type Act,
  AGGREGATE_OPTIONS,
  type AggregateDefinition,
  checkAggregateOptions,
  type CheckedSnapshotOptions,
  writesFirst,
} from './aggregate-definition.js';
import { AggregateRoot, attach, detach, isRecorder } from './aggregate-root.js';
import { aggregateMarkOf } from './aggregate.decorator.js';
import { type AggregateClass, classFoldOf } from './class-fold.js';
import { privateFieldOf } from './private-fields.js';
import type { Recording } from './recording.js';
import type { StateFold } from './state-fold.js';
import { readFields, readState, writeFields, writeState } from './state-text.js';

/** A class that gives its own snapshots. */
interface SnapshotRoot {
  toSnapshot?(): unknown;
}

interface SnapshotClass {
  fromSnapshot?(snapshot: unknown): unknown;
}

/**
 * A kind of aggregates that is declared by a class with `@Aggregate`.
 *
 * Its state is its fields, or what `toSnapshot()` says it is.
 */
export class ClassDefinition implements AggregateDefinition<object> {
  readonly category: string;
  readonly snapshot: CheckedSnapshotOptions | undefined;
  readonly ignoreUnknown: boolean;
  readonly cacheBytes: number;
  readonly isPlain: boolean;
  readonly #fold: StateFold<object>;
  /** The way to a private field, when the class has one and no `toSnapshot()`. */
  readonly #hidden: string | undefined;

  /** @throws {ValidationError} that names the class, when it or a decorator of it is not acceptable */
  constructor(private readonly target: AggregateClass & SnapshotClass) {
    const { name } = target;
    const mark = aggregateMarkOf(target);
    if (!mark) throw new ValidationError(name || 'aggregate', 'it has no @Aggregate(category): put it on the class.');
    if (!isAggregateRoot(target)) throw new ValidationError(`@Aggregate on ${name}`, 'let it extend AggregateRoot.');
    if (target.length > 0)
      throw new ValidationError(
        `@Aggregate on ${name}`,
        'its constructor takes arguments: an aggregate is made without any.',
      );
    const place = `@Aggregate on ${name}`;
    checkCategory(mark.category, `${place}.category`);
    checkMembers(mark.options, place, AGGREGATE_OPTIONS);
    const { snapshot, ignoreUnknown, cacheBytes } = checkAggregateOptions(mark.options, place);
    checkSnapshotMethods(target, place);
    this.category = mark.category;
    this.snapshot = snapshot;
    this.ignoreUnknown = ignoreUnknown;
    this.cacheBytes = cacheBytes;
    this.#fold = classFoldOf(target);
    this.#hidden = givesSnapshots(target) ? undefined : privateFieldOf(target, AggregateRoot);
    this.isPlain = writesFirst(this);
  }

  get name(): string {
    return this.target.name;
  }

  knows(type: string): boolean {
    return this.#fold.knows(type);
  }

  unknownType(type: string): string {
    return this.#fold.unknownType(type);
  }

  apply(state: object, event: RecordedEvent): object {
    return this.#fold.apply(state, event);
  }

  initial(): object {
    return this.handedOut(new this.target());
  }

  decide(recording: Recording<object>, act: Act): unknown {
    const root = recording.state;
    attach(root, recording);
    return (act as (root: object) => unknown)(root);
  }

  handedOut(state: object): object {
    detach(state);
    return state;
  }

  write(state: object & SnapshotRoot): string {
    const { name } = this.target;
    if (typeof state.toSnapshot !== 'function') {
      if (this.#hidden !== undefined) throw this.#refuseHidden(this.#hidden);
      return writeFields(state, name, isRecorder);
    }
    const text = writeState(state.toSnapshot(), `${name}.toSnapshot()`, { mayShare: true });
    const again = (this.read(text) as SnapshotRoot).toSnapshot!();
    if (writeState(again, `${name}.toSnapshot()`, { mayShare: true }) === text) return text;
    throw new ValidationError(`${name}.fromSnapshot()`, 'what it makes gives another toSnapshot(): restore all of it.');
  }

  read(text: string): object {
    if (!givesSnapshots(this.target)) {
      const instance = this.initial();
      readFields(text, instance, isRecorder);
      return instance;
    }
    const instance: unknown = this.target.fromSnapshot!(readState(text));
    if (instance instanceof this.target) return this.handedOut(instance);
    throw new ValidationError(`${this.name}.fromSnapshot()`, `it answers with ${kindOf(instance)}: give an instance.`);
  }

  #refuseHidden(path: string): ValidationError {
    return new ValidationError(
      path,
      'it is a private field, which a snapshot cannot hold: use a TypeScript private one, or give toSnapshot() and fromSnapshot().',
    );
  }
}

/** Also of another copy of the package. */
function isAggregateRoot(target: AggregateClass): boolean {
  const prototype = target.prototype as Partial<AggregateRoot<object>> | undefined;
  return typeof prototype?.record === 'function';
}

function givesSnapshots(target: AggregateClass & SnapshotClass): boolean {
  return typeof (target.prototype as SnapshotRoot).toSnapshot === 'function';
}

function checkSnapshotMethods(target: AggregateClass & SnapshotClass, place: string): void {
  const reads = typeof target.fromSnapshot === 'function';
  if (givesSnapshots(target) === reads) return;
  const missing = reads ? 'toSnapshot()' : 'static fromSnapshot(snapshot)';
  throw new ValidationError(
    place,
    `it has ${reads ? 'fromSnapshot' : 'toSnapshot'} without ${missing}: give both, or none.`,
  );
}
