import { systemClock } from '../store/values/clock.js';
import { createEventId } from '../store/values/event-id.js';
import { ValidationError } from '../store/values/errors.js';
import { type AggregateClass, classFoldOf } from './class-fold.js';
import type { EVENTS, EventTypeOf, RecordArguments, RecordDataOf, RecordOptions } from './event-map.js';
import { Recording } from './recording.js';

/** What takes the events that an instance records. */
export interface EventRecorder {
  record(type: string, data: unknown, options?: RecordOptions): unknown;
}

/**
 * Where an instance keeps its recorder: not among its state, and under a name that every copy of the package knows, or what
 * is recorded in one would be lost for the other.
 */
const RECORDER = Symbol.for('nestjs-stream-store:recorder');

/** What an instance has that nobody acts on. */
const HANDED_OUT: EventRecorder = {
  record(type) {
    throw new ValidationError('record', `"${type}" would not be kept: record inside create() or update().`);
  },
};

/**
 * The base of aggregates that are classes: methods decide and record events, and methods with `@Apply` change the state.
 *
 * @typeParam Events what each type of event carries, `{ 'account.opened': { owner: string } }`, or `typeof` what `defineEvents`
 *   has answered
 */
export abstract class AggregateRoot<Events extends object> {
  /** For the compiler alone. */
  declare readonly [EVENTS]?: Events;

  /**
   * Records that something happened: applies the event at once, and lets it be appended when the act has ended.
   *
   * @param args the data, if events of the type have any, and then `metadata` and `timestamp`
   * @throws {ValidationError} when the data is not acceptable, when nothing applies events of the type, outside an act, and
   *   while an event is applied
   */
  record<Type extends EventTypeOf<Events>>(
    type: Type,
    ...[data, options]: RecordArguments<RecordDataOf<Events>[Type]>
  ): void {
    recorderOf(this).record(type, data, options);
  }
}

interface Recorded {
  [RECORDER]?: EventRecorder;
}

/** An instance that nobody has loaded records for itself, as in a test. */
function recorderOf(root: object & Recorded): EventRecorder {
  return (root[RECORDER] ??= detached(root));
}

function detached(root: object): EventRecorder {
  const place = {
    streamId: 'none',
    revision: 0,
    metadata: undefined,
    now: systemClock.now,
    idOf: () => createEventId(systemClock.now()),
  };
  const recording = new Recording(classFoldOf(root.constructor as AggregateClass), root, place);
  attach(root, recording);
  return recording;
}

/** Lets an instance record to somebody. */
export function attach(root: object, recorder: EventRecorder): void {
  Object.defineProperty(root, RECORDER, { value: recorder, enumerable: false, configurable: true, writable: true });
}

/** Lets nothing be recorded by an instance. */
export function detach(root: object): void {
  attach(root, HANDED_OUT);
}

/** Whether a member of an instance is none of its state. */
export function isRecorder(member: string | symbol): boolean {
  return member === RECORDER;
}
