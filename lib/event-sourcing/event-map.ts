import type { RecordedEvent } from '../store/values/event.js';
import type { AnyEventDefinitions, DataOf, InputOf } from '../store/values/typed/event-definitions.js';

/** Under this, the compiler finds the events of an aggregate. There is nothing under it at run time. */
export declare const EVENTS: unique symbol;

/** What each type of event carries, as it is read: of a map of data by type, or of what `defineEvents` has answered. */
export type ReadDataOf<Events> = Events extends AnyEventDefinitions ? DataOf<Events> : Events;

/** What each type of event takes when it is recorded. */
export type RecordDataOf<Events> = Events extends AnyEventDefinitions ? InputOf<Events> : Events;

/** The types of events that an aggregate knows. */
export type EventTypeOf<Events> = keyof ReadDataOf<Events> & keyof RecordDataOf<Events> & string;

/** A recorded event of one of these types, which `switch (event.type)` narrows. */
export type RecordedEventOf<Events> = {
  readonly [Type in EventTypeOf<Events>]: RecordedEvent<ReadDataOf<Events>[Type], Type>;
}[EventTypeOf<Events>];

/** An event as a test writes it down: a type and its data. */
export type EventDraftOf<Events> = {
  readonly [Type in EventTypeOf<Events>]: EventDraft<Type, RecordDataOf<Events>[Type]>;
}[EventTypeOf<Events>];

type EventDraft<Type extends string, Data> = {
  readonly type: Type;
  readonly metadata?: RecordedEvent['metadata'];
  /** When it happened: a `Date`, milliseconds since 1970, or ISO 8601 text. */
  readonly timestamp?: Date | number | string;
} & (IsOptional<Data> extends true ? { readonly data?: Data } : { readonly data: Data });

/** What is said of an event beside its data. */
export interface RecordOptions {
  /** What is known about the event but is not the event. Goes before what the call gives for all its events. */
  readonly metadata?: RecordedEvent['metadata'];
  /** When it happened: a `Date`, milliseconds since 1970, or ISO 8601 text. Default now. */
  readonly timestamp?: Date | number | string;
}

/** The arguments after the type: an event without data needs none. */
export type RecordArguments<Data> =
  IsOptional<Data> extends true ? [data?: Data, options?: RecordOptions] : [data: Data, options?: RecordOptions];

type IsOptional<Data> = undefined extends Data ? true : null extends Data ? true : false;
