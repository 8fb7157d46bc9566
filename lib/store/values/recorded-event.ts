import type { JsonValue, RecordedEvent } from './event.js';
import { readOnlyDate } from './read-only-date.js';
import { takeSchemaVersion } from './schema-version.js';

/** A kept event as an engine has it: texts and numbers. */
export interface EventRow {
  readonly id: string;
  readonly type: string;
  /** JSON text. */
  readonly data: string;
  /** JSON text of an object; empty text stands for an empty one. */
  readonly metadata: string;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly streamId: string;
  readonly position: number;
  readonly globalPosition: number;
  /** Milliseconds since 1970. */
  readonly recordedAt: number;
}

/** What counts as large, in characters of JSON. */
const LARGE = 4_096;
/** The size of large events: of the others it matters only how many they are. */
const largeTexts = new WeakMap<RecordedEvent, number>();

/** How much text an event has, in characters of JSON, if it is a large one; else 0. */
export function largeTextOf(event: RecordedEvent): number {
  return largeTexts.get(event) ?? 0;
}

const NO_METADATA: Record<string, JsonValue> = Object.freeze({});

/** Makes the deeply frozen event that readers get, and may share. */
export function recordedEvent(row: EventRow): RecordedEvent {
  const recordedAt = readOnlyDate(row.recordedAt);
  let metadata = NO_METADATA;
  let schemaVersion = 1;
  if (row.metadata !== '') {
    metadata = JSON.parse(row.metadata) as Record<string, JsonValue>;
    schemaVersion = takeSchemaVersion(metadata, row.metadata);
    deepFreeze(metadata);
  }
  const event = Object.freeze<RecordedEvent>({
    id: row.id,
    type: row.type,
    data: deepFreeze(JSON.parse(row.data) as JsonValue),
    metadata,
    timestamp: row.timestamp === row.recordedAt ? recordedAt : readOnlyDate(row.timestamp),
    streamId: row.streamId,
    position: row.position,
    globalPosition: row.globalPosition,
    recordedAt,
    schemaVersion,
  });
  const size = row.data.length + row.metadata.length;
  if (size > LARGE) largeTexts.set(event, size);
  return event;
}

/** The same event under another name of its type, with other frozen data, of another version. */
export function reshapedEvent(
  event: RecordedEvent,
  type: string,
  data: JsonValue,
  schemaVersion: number,
): RecordedEvent {
  const reshaped = Object.freeze<RecordedEvent>({ ...event, type, data, schemaVersion });
  const size = largeTexts.get(event);
  if (size !== undefined) largeTexts.set(reshaped, size);
  return reshaped;
}

/** Freezes what JSON.parse made: no cycles, no accessors, no symbols. */
function deepFreeze<Value extends JsonValue | undefined>(value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    Object.values(value as object).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
