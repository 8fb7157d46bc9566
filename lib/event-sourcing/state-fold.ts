import { ValidationError } from '../store/values/errors.js';
import type { RecordedEvent } from '../store/values/event.js';
import { isPromise } from '../store/values/maybe-promise.js';

/** How the state of an aggregate follows from its events. */
export interface StateFold<State> {
  /** What it is called in errors: the class, or the category of a decider. */
  readonly name: string;
  /** Whether events of unknown types are passed over, when they are recorded and when they are loaded. */
  readonly ignoreUnknown: boolean;
  /** Whether events of this type change the state. */
  knows(type: string): boolean;
  /** What is wrong with a type that nothing applies, in words. */
  unknownType(type: string): string;
  /** The state after an event of a type it knows. It may be the same object, changed. */
  apply(state: State, event: RecordedEvent): State;
}

/**
 * The state after an event.
 *
 * @throws {ValidationError} when the event is of a type that the aggregate does not know, or its state would come later
 * @throws what applying it fails with
 */
export function applied<State>(fold: StateFold<State>, state: State, event: RecordedEvent): State {
  if (!fold.knows(event.type)) {
    if (fold.ignoreUnknown) return state;
    throw new ValidationError(`${event.streamId}@${event.position}`, fold.unknownType(event.type));
  }
  const next = fold.apply(state, event);
  if (!isPromise(next)) return next;
  // Nobody will wait for it, and the process must not end when it fails.
  (next as Promise<unknown>).catch(() => undefined);
  throw new ValidationError(`${fold.name}["${event.type}"]`, 'it answers with a promise: apply an event at once.');
}
