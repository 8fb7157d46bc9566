import type { EventRow } from '../../store/values/recorded-event.js';
import type { Direction } from '../../store/ports/storage-engine.js';
import type { SqliteClient } from '../sqlite-client.js';

/** Positions that follow each other, both ends included; none when `last` is smaller than `first`. */
export interface Stretch {
  readonly first: number;
  readonly last: number;
}

/** What a filter has to know of an event. */
export interface EventKind {
  /** In the stream, or in the log. */
  readonly position: number;
  readonly streamId: string;
  readonly type: string;
  /** What data and metadata take. */
  readonly bytes: number;
}

/** Of a text, SQLite knows it without reading the text. */
export const BYTES = 'octet_length(e.data) + octet_length(e.metadata)';

export const EVENT_COLUMNS = `
  e.id, e.type, e.data, e.metadata, e.timestamp, s.stream_id AS "streamId", e.position,
  e.global_position AS "globalPosition", e.recorded_at AS "recordedAt"`;

// CROSS JOIN keeps SQLite from beginning with the streams (SQLite, "Manual Control Of Query Plans Using CROSS JOIN").
export const EVENTS = 'events e CROSS JOIN streams s ON s.number = e.stream';

const order = (direction: Direction): string => (direction === 'forward' ? 'ASC' : 'DESC');

/** The events of the log in a stretch of global positions. */
export function eventsOfLog(client: SqliteClient, { first, last }: Stretch, direction: Direction): EventRow[] {
  return client.all(
    `SELECT ${EVENT_COLUMNS} FROM ${EVENTS}
     WHERE e.global_position BETWEEN ? AND ? ORDER BY e.global_position ${order(direction)}`,
    first,
    last,
  );
}

/** What they take all together. */
export function bytesOfLog(client: SqliteClient, { first, last }: Stretch): number {
  const sum = `SELECT sum(${BYTES}) AS bytes FROM events e WHERE e.global_position BETWEEN ? AND ?`;
  return client.get<{ bytes: number | null }>(sum, first, last)!.bytes ?? 0;
}

/** What a filter has to know of them. */
export function kindsOfLog(client: SqliteClient, { first, last }: Stretch, direction: Direction): EventKind[] {
  return client.all(
    `SELECT e.global_position AS position, s.stream_id AS "streamId", e.type, ${BYTES} AS bytes FROM ${EVENTS}
     WHERE e.global_position BETWEEN ? AND ? ORDER BY e.global_position ${order(direction)}`,
    first,
    last,
  );
}

/** The events of a stream in a stretch of positions. */
export function eventsOfStream(
  client: SqliteClient,
  stream: number,
  { first, last }: Stretch,
  direction: Direction,
): EventRow[] {
  return client.all(
    `SELECT ${EVENT_COLUMNS} FROM ${EVENTS}
     WHERE e.stream = ? AND e.position BETWEEN ? AND ? ORDER BY e.position ${order(direction)}`,
    stream,
    first,
    last,
  );
}

/** What they take all together. */
export function bytesOfStream(client: SqliteClient, stream: number, { first, last }: Stretch): number {
  const sum = `SELECT sum(${BYTES}) AS bytes FROM events e WHERE e.stream = ? AND e.position BETWEEN ? AND ?`;
  return client.get<{ bytes: number | null }>(sum, stream, first, last)!.bytes ?? 0;
}

/** What a filter has to know of them. */
export function kindsOfStream(
  client: SqliteClient,
  stream: number,
  { first, last }: Stretch,
  direction: Direction,
): EventKind[] {
  return client.all(
    `SELECT e.position, s.stream_id AS "streamId", e.type, ${BYTES} AS bytes FROM ${EVENTS}
     WHERE e.stream = ? AND e.position BETWEEN ? AND ? ORDER BY e.position ${order(direction)}`,
    stream,
    first,
    last,
  );
}
