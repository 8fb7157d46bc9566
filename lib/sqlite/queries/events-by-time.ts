import type { EventRow } from '../../store/values/recorded-event.js';
import type { TimePlace } from '../../store/ports/storage-engine.js';
import type { SqliteClient } from '../sqlite-client.js';
import { BYTES, EVENT_COLUMNS, EVENTS, type Stretch } from './events.js';

/** What a filter has to know of an event, and its place in time. */
export interface EventKindInTime extends TimePlace {
  readonly streamId: string;
  readonly type: string;
  /** What data and metadata take. */
  readonly bytes: number;
}

export interface TimeSpan {
  readonly after: TimePlace;
  /** Inclusive, in milliseconds since 1970. */
  readonly to: number;
  /** Which global positions are looked at. */
  readonly within: Stretch;
  readonly limit: number;
}

const KIND_COLUMNS = `e.timestamp, e.global_position AS "globalPosition", s.stream_id AS "streamId", e.type, ${BYTES} AS bytes`;

/** Events after a place in time, in the order of time. */
export function eventsByTime(client: SqliteClient, span: TimeSpan): EventRow[] {
  return byTime<EventRow>(client, EVENT_COLUMNS, span);
}

/** Not less than they take all together. */
export function mostBytesByTime(client: SqliteClient, { after, to, within, limit }: TimeSpan): number {
  const sizes = (condition: string): string =>
    `SELECT ${BYTES} AS bytes FROM events e WHERE ${condition} AND e.global_position BETWEEN ? AND ?`;
  const sum = client.get<{ bytes: number | null }>(
    `SELECT sum(bytes) AS bytes FROM (
       SELECT * FROM (${sizes('e.timestamp = ?')} ORDER BY e.global_position LIMIT ?) UNION ALL
       SELECT * FROM (${sizes('e.timestamp > ? AND e.timestamp <= ?')} ORDER BY e.timestamp, e.global_position LIMIT ?)
     )`,
    after.timestamp,
    Math.max(after.globalPosition + 1, within.first),
    within.last,
    limit,
    after.timestamp,
    to,
    within.first,
    within.last,
    limit,
  );
  return sum!.bytes ?? 0;
}

/** What a filter has to know of them. */
export function kindsByTime(client: SqliteClient, span: TimeSpan): EventKindInTime[] {
  return byTime<EventKindInTime>(client, KIND_COLUMNS, span);
}

/** In two parts, because older versions of SQLite search an index only for the first half of `(timestamp, place) > (?, ?)`. */
function byTime<Row>(client: SqliteClient, columns: string, { after, to, within, limit }: TimeSpan): Row[] {
  const sameTime = client.all<Row>(
    `SELECT ${columns} FROM ${EVENTS}
     WHERE e.timestamp = ? AND e.global_position BETWEEN ? AND ?
     ORDER BY e.global_position LIMIT ?`,
    after.timestamp,
    Math.max(after.globalPosition + 1, within.first),
    within.last,
    limit,
  );
  if (sameTime.length === limit) return sameTime;
  const later = client.all<Row>(
    `SELECT ${columns} FROM ${EVENTS}
     WHERE e.timestamp > ? AND e.timestamp <= ? AND e.global_position BETWEEN ? AND ?
     ORDER BY e.timestamp, e.global_position LIMIT ?`,
    after.timestamp,
    to,
    within.first,
    within.last,
    limit - sameTime.length,
  );
  return sameTime.concat(later);
}
