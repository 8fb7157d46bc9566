import { systemClock } from './clock.js';
import { createEventId } from './event-id.js';

/** A value that JSON can hold. Members that are `undefined` are left out. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined };

/** An event to append. */
export interface NewEvent<Data = JsonValue, Type extends string = string> {
  /** What happened, such as `order.placed`: 1 to 512 characters, no control characters. */
  readonly type: Type;
  /** Default null. */
  readonly data?: Data;
  /** Names the event for ever and makes a retried append recognisable; 1 to 512 characters. Default a new UUIDv7. */
  readonly id?: string;
  /** When it happened: a `Date`, milliseconds since 1970, or ISO 8601 text. Default the time of the append. */
  readonly timestamp?: Date | number | string;
  /** What is known about the event but is not the event: who, why, which request. Default empty. */
  readonly metadata?: Readonly<Record<string, JsonValue | undefined>>;
}

/** An event as the store keeps it. Deeply read-only: changing it throws in strict mode and never changes the store. */
export interface RecordedEvent<Data = JsonValue, Type extends string = string> {
  readonly id: string;
  readonly type: Type;
  readonly data: Data;
  readonly metadata: Readonly<Record<string, JsonValue>>;
  /** When it happened: the caller's time, else the time of the append. */
  readonly timestamp: Date;
  readonly streamId: string;
  /** The place in its stream: 1 for the first event ever appended to it, without gaps. */
  readonly position: number;
  /** The place in the whole log, from 1, rising; numbers may be skipped, and none appears below one already seen. */
  readonly globalPosition: number;
  /** When the store kept it; never falls from one event of the log to the next. */
  readonly recordedAt: Date;
  /** The version of its `data`: that of the type as the store knows it now, or with `raw` the one it was written in. From 1. */
  readonly schemaVersion: number;
}

/**
 * An event with an id of its own, so that appending the same object again after a timeout is recognised as a retry.
 *
 * @param id default a new UUIDv7
 */
export function createEvent<Data = JsonValue>(
  type: string,
  data?: Data,
  { id = createEventId(systemClock.now()), metadata, timestamp }: Pick<NewEvent, 'id' | 'metadata' | 'timestamp'> = {},
): NewEvent<Data> {
  return {
    type,
    ...(data !== undefined && { data }),
    id,
    ...(timestamp !== undefined && { timestamp }),
    ...(metadata !== undefined && { metadata }),
  };
}
