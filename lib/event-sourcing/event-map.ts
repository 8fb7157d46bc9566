import type { RecordedEvent } from '../store/values/event.js';

/** Under this, the compiler finds the events of an aggregate. There is nothing under it at run time. */
export declare const EVENTS: unique symbol;

/** The types of events that an aggregate knows. */
export type EventTypeOf<Events> = keyof Events & string;

/** A recorded event of one of these types, which `switch (event.type)` narrows. */
export type RecordedEventOf<Events> = {
  readonly [Type in EventTypeOf<Events>]: RecordedEvent<Events[Type]> & { readonly type: Type };
}[EventTypeOf<Events>];

/** An event as a test writes it down: a type and its data. */
export type EventDraftOf<Events> = {
  readonly [Type in EventTypeOf<Events>]: EventDraft<Type, Events[Type]>;
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
