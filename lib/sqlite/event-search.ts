import { StorageCorruptedError } from '../store/values/errors.js';
import type { RecordedEvent } from '../store/values/event.js';
import { type EventRow, recordedEvent } from '../store/values/recorded-event.js';
import type { Direction } from '../store/ports/storage-engine.js';
import { fitting, type PageRoom } from './page-room.js';
import {
  bytesOfLog,
  bytesOfStream,
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
  /** What the events take. */
  bytes(stretch: Stretch): number;
}

/** What was found in a stretch, as far as it was looked at. */
export interface Found {
  readonly events: RecordedEvent[];
  /** The last position that was looked at; undefined when none was. */
  readonly lookedTo: number | undefined;
  /** Whether the whole stretch was looked at. */
  readonly isEnd: boolean;
  /** What the events take. */
  readonly bytes: number;
  /** Whether the next one found no room. */
  readonly isFull: boolean;
}

export function theLog(client: SqliteClient): EventSource {
  return {
    name: `the log of ${client.storage}`,
    events: (stretch, direction) => eventsOfLog(client, stretch, direction),
    kinds: (stretch, direction) => kindsOfLog(client, stretch, direction),
    bytes: (stretch) => bytesOfLog(client, stretch),
  };
}

/** @param number the stream's */
export function theStream(client: SqliteClient, streamId: string, number: number): EventSource {
  return {
    name: `stream "${streamId}" of ${client.storage}`,
    events: (stretch, direction) => eventsOfStream(client, number, stretch, direction),
    kinds: (stretch, direction) => kindsOfStream(client, number, stretch, direction),
    bytes: (stretch) => bytesOfStream(client, number, stretch),
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
 * Looks for up to `limit` events that find room, from the beginning of a stretch; from its end, when the direction is
 * backward.
 *
 * @param isWanted undefined when all are
 * @throws {StorageCorruptedError} when one is missing, as positions have no gaps
 */
export function findEvents(
  source: EventSource,
  stretch: Stretch,
  direction: Direction,
  limit: number,
  room: PageRoom,
  isWanted?: (kind: EventKind) => boolean,
): Found {
  const size = Math.max(0, stretch.last - stretch.first + 1);
  const count = Math.min(size, isWanted && limit > 0 ? MOST_EVENTS_LOOKED_AT : Math.min(limit, MOST_EVENTS_LOOKED_AT));
  if (count === 0) return { events: [], lookedTo: undefined, isEnd: size === 0, bytes: 0, isFull: false };
  const part = beginningOf(stretch, direction, count);
  if (isWanted) return findWanted(source, part, direction, limit, room, isWanted, size);
  const bytes = source.bytes(part);
  if (bytes <= room.most) return allOf(source, part, direction, { bytes, isFull: false, isEnd: count === size });
  const kinds = complete(source, part, source.kinds(part, direction));
  const fit = fitting(kinds, room);
  if (fit.count === 0) return { events: [], lookedTo: undefined, isEnd: false, bytes: 0, isFull: true };
  return allOf(source, beginningOf(part, direction, fit.count), direction, {
    bytes: fit.bytes,
    isFull: fit.count < count,
    isEnd: fit.count === size,
  });
}

function beginningOf(stretch: Stretch, direction: Direction, count: number): Stretch {
  return direction === 'forward'
    ? { first: stretch.first, last: stretch.first + count - 1 }
    : { first: stretch.last - count + 1, last: stretch.last };
}

function allOf(
  source: EventSource,
  part: Stretch,
  direction: Direction,
  found: Pick<Found, 'bytes' | 'isFull' | 'isEnd'>,
): Found {
  const rows = complete(source, part, source.events(part, direction));
  return { ...found, events: rows.map(recordedEvent), lookedTo: direction === 'forward' ? part.last : part.first };
}

function findWanted(
  source: EventSource,
  part: Stretch,
  direction: Direction,
  limit: number,
  room: PageRoom,
  isWanted: (kind: EventKind) => boolean,
  size: number,
): Found {
  const kinds = complete(source, part, source.kinds(part, direction));
  const wanted = kinds.filter(isWanted).slice(0, limit);
  const { count, bytes } = fitting(wanted, room);
  const events = wanted
    .slice(0, count)
    .map(({ position }) => recordedEvent(source.events({ first: position, last: position }, direction)[0]));
  const isFull = count < wanted.length;
  let looked = kinds.length;
  // The next one is to be found again; and so are those behind the last one that was asked for.
  if (isFull) looked = kinds.indexOf(wanted[count]);
  else if (count === limit) looked = kinds.indexOf(wanted[count - 1]) + 1;
  return { events, lookedTo: kinds[looked - 1]?.position, isEnd: looked === size, bytes, isFull };
}

function complete<Row>({ name }: EventSource, { first, last }: Stretch, rows: Row[]): Row[] {
  if (rows.length === last - first + 1) return rows;
  throw new StorageCorruptedError(name, `events are missing between ${first} and ${last}`);
}
