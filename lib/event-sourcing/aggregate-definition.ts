import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { shown } from '../store/values/names.js';
import type { Recording } from './recording.js';
import type { StateFold } from './state-fold.js';

/** All that is declared of one kind of aggregates, checked: by a class or by a decider. */
export interface AggregateDefinition<State> extends StateFold<State> {
  /** What the ids of its streams begin with, before the first `-`. */
  readonly category: string;
  readonly snapshot: CheckedSnapshotOptions | undefined;
  /** How much the states that this process remembers may take, in bytes; 0 for none. */
  readonly cacheBytes: number;
  /** Whether its first state can be written, and so probably all of them. */
  readonly isPlain: boolean;
  /** The state before the first event: a new one each time. */
  initial(): State;
  /** Calls what decides, with the state and a way to record. @returns a promise, if it waits for anything */
  decide(recording: Recording<State>, act: Act): unknown;
  /** The state as it is handed out: nothing can be recorded on it. */
  handedOut(state: State): State;
  /** The state as a text that reads back equal. @throws {ValidationError} that names the part which would not */
  write(state: State): string;
  /** The state of a text: a new one each time. */
  read(text: string): State;
}

/** What decides: a function of the application, which gets a state or an instance, and may record. */
export type Act = (...args: never[]) => unknown;

export interface SnapshotOptions {
  /** After how many events a snapshot of the state is kept: a whole number, at least 1. */
  readonly every: number;
  /**
   * The version of what the snapshot holds: a whole number, at least 1. Raise it with each change of the state or of what
   * events do to it; snapshots of other versions are not used. Default 1.
   */
  readonly version?: number;
}

export type CheckedSnapshotOptions = Required<SnapshotOptions>;

export interface AggregateOptions {
  /** Keeps snapshots of the state beside the events, so that loading it reads the latest events alone. Default none. */
  readonly snapshot?: SnapshotOptions;
  /** Whether events of types that nothing applies are passed over. Default false: they are errors. */
  readonly ignoreUnknown?: boolean;
  /**
   * How much the states that this process remembers may take, in bytes; the ones that were not used for longest go first. 0
   * for none. Default 8 388 608, 8 MiB.
   */
  readonly cacheBytes?: number;
}

export interface CheckedAggregateOptions {
  readonly snapshot: CheckedSnapshotOptions | undefined;
  readonly ignoreUnknown: boolean;
  readonly cacheBytes: number;
}

export const DEFAULT_CACHE_BYTES = 8 * 1_024 * 1_024;

export const AGGREGATE_OPTIONS = ['snapshot', 'ignoreUnknown', 'cacheBytes'];

/** @param place what declares the aggregate, for errors @throws {ValidationError} that names the option */
export function checkAggregateOptions(
  { snapshot, ignoreUnknown = false, cacheBytes = DEFAULT_CACHE_BYTES }: AggregateOptions,
  place: string,
  snapshotOptions: readonly string[] = ['every', 'version'],
): CheckedAggregateOptions {
  if (typeof ignoreUnknown !== 'boolean')
    throw new ValidationError(`${place}.ignoreUnknown`, `${shown(ignoreUnknown)} is neither true nor false.`);
  if (!Number.isSafeInteger(cacheBytes) || cacheBytes < 0)
    throw new ValidationError(`${place}.cacheBytes`, `${shown(cacheBytes)} is not a whole number, at least 0.`);
  if (snapshot === undefined) return { snapshot: undefined, ignoreUnknown, cacheBytes };
  checkMembers(snapshot, `${place}.snapshot`, snapshotOptions);
  const { every, version = 1 } = snapshot;
  for (const [name, value] of Object.entries({ every, version })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new ValidationError(`${place}.snapshot.${name}`, `${shown(value)} is not a whole number, at least 1.`);
  }
  return { snapshot: { every, version }, ignoreUnknown, cacheBytes };
}

/** Whether the first state of an aggregate can be written. @throws why it cannot, when that is needed for snapshots */
export function writesFirst<State>(
  definition: Pick<AggregateDefinition<State>, 'initial' | 'write' | 'snapshot'>,
): boolean {
  try {
    definition.write(definition.initial());
    return true;
  } catch (error) {
    // What could never be kept is told at once, and not at the first snapshot.
    if (definition.snapshot) throw error;
    return false;
  }
}
