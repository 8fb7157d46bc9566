import { StorageCorruptedError } from '../store/errors.js';
import type { RecordedEvent } from '../store/event.js';
import { type EventRow, recordedEvent } from '../store/recorded-event.js';
import type { Direction } from '../store/storage-engine.js';
import {
  type EventKind,
  eventsOfLog,
  eventsOfStream,
  kindsOfLog,
  kindsOfStream,
  type Stretch,
} from './queries/events.js';
import type { SqliteClient } from './sqlite-client.js';

/** A search looks at no more events than this before it answers, to give the event loop back. */
export const MOST_EVENTS_LOOKED_AT = 2_000;

/** Where events are looked for: the log, by global positions, or one stream, by positions. */
export interface EventSource {
  /** What it is, in words. */
  readonly name: string;
  events(stretch: Stretch, direction: Direction): EventRow[];
  kinds(stretch: Stretch, direction: Direction): EventKind[];
}

/** What was found in a stretch, as far as it was looked at. */
export interface Found {
  readonly events: RecordedEvent[];
  /** The last position that was looked at; undefined when none was. */
  readonly lookedTo: number | undefined;
  /** Whether the whole stretch was looked at. */
  readonly isEnd: boolean;
}

export function theLog(client: SqliteClient): EventSource {
  return {
    name: `the log of ${client.storage}`,
    events: (stretch, direction) => eventsOfLog(client, stretch, direction),
    kinds: (stretch, direction) => kindsOfLog(client, stretch, direction),
  };
}

/** @param number the stream's */
export function theStream(client: SqliteClient, streamId: string, number: number): EventSource {
  return {
    name: `stream "${streamId}" of ${client.storage}`,
    events: (stretch, direction) => eventsOfStream(client, number, stretch, direction),
    kinds: (stretch, direction) => kindsOfStream(client, number, stretch, direction),
  };
}

/**
 * What a reader has still before it.
 *
 * @param after where it is: exclusive
 * @param kept the first and the last position that it may see
 */
export function stretchBefore(direction: Direction, after: number, kept: Stretch): Stretch {
  if (direction === 'forward') return { first: Math.max(after + 1, kept.first), last: kept.last };
  return { first: kept.first, last: Math.min(after - 1, kept.last) };
}

/**
 * Looks for up to `limit` events from the beginning of a stretch; from its end, when the direction is backward.
 *
 * @param isWanted undefined when all are
 * @throws {StorageCorruptedError} when one is missing, as positions have no gaps
 */
export function findEvents(
  source: EventSource,
  stretch: Stretch,
  direction: Direction,
  limit: number,
  isWanted?: (kind: EventKind) => boolean,
): Found {
  const size = Math.max(0, stretch.last - stretch.first + 1);
  const count = Math.min(size, isWanted && limit > 0 ? MOST_EVENTS_LOOKED_AT : Math.min(limit, MOST_EVENTS_LOOKED_AT));
  if (count === 0) return { events: [], lookedTo: undefined, isEnd: size === 0 };
  const part =
    direction === 'forward'
      ? { first: stretch.first, last: stretch.first + count - 1 }
      : { first: stretch.last - count + 1, last: stretch.last };
  if (!isWanted) {
    const rows = complete(source, part, source.events(part, direction));
    const lookedTo = direction === 'forward' ? part.last : part.first;
    return { events: rows.map(recordedEvent), lookedTo, isEnd: count === size };
  }
  const kinds = complete(source, part, source.kinds(part, direction));
  const events: RecordedEvent[] = [];
  let looked = 0;
  for (; looked < count && events.length < limit; looked++) {
    if (!isWanted(kinds[looked])) continue;
    const { position } = kinds[looked];
    events.push(recordedEvent(source.events({ first: position, last: position }, direction)[0]));
  }
  return { events, lookedTo: kinds[looked - 1].position, isEnd: looked === size };
}

function complete<Row>({ name }: EventSource, { first, last }: Stretch, rows: Row[]): Row[] {
  if (rows.length === last - first + 1) return rows;
  throw new StorageCorruptedError(name, `events are missing between ${first} and ${last}`);
}
