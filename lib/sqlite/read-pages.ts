import type { CompiledFilter } from '../store/values/event-filter.js';
import { recordedEvent } from '../store/values/recorded-event.js';
import type {
  LogPage,
  ReadAllRequest,
  ReadStreamRequest,
  ReadTimeRangeRequest,
  StreamPage,
  TimePlace,
  TimeRangePage,
} from '../store/ports/storage-engine.js';
import { findEvents, MOST_EVENTS_LOOKED_AT, stretchBefore, theLog, theStream } from './event-search.js';
import { fitting, type PageRoom } from './page-room.js';
import { eventsByTime, kindsByTime, mostBytesByTime } from './queries/events-by-time.js';
import { eventsOfLog } from './queries/events.js';
import { firstKept, firstPositionFrom } from './first-kept.js';
import { loadLog } from './queries/log.js';
import { globalPositionOf, idAt, idInStream } from './queries/places.js';
import { findStream } from './queries/streams.js';
import type { PagePart } from './read-in-turns.js';
import type { SqliteClient } from './sqlite-client.js';

// Each is to be called within a transaction that reads, so that its statements see the same state.

export function readStreamPage(client: SqliteClient, request: ReadStreamRequest, room: PageRoom): PagePart<StreamPage> {
  const { streamId, after, limit, direction, types, recordedSince, wantsIds } = request;
  const stream = findStream(client, streamId);
  if (!stream) {
    const page = { events: [], revision: 0, trimmedTo: 0, position: after, isEnd: true, isFull: false };
    return { page, bytes: 0, isFull: false };
  }
  const { number, revision } = stream;
  const first =
    recordedSince === -Infinity
      ? stream.firstPosition
      : firstPositionFrom(client, stream, firstKept(client, loadLog(client), recordedSince));
  const { events, lookedTo, isEnd, bytes, isFull } = findEvents(
    theStream(client, streamId, number),
    stretchBefore(direction, after, { first, last: revision }),
    direction,
    limit,
    room,
    types && (({ type }) => types.some((pattern) => pattern.matches(type))),
  );
  const page = { events, revision, trimmedTo: first - 1, position: lookedTo ?? after, isEnd, isFull };
  if (!wantsIds) return { page, bytes, isFull };
  const afterId = idInStream(client, number, after);
  const last = events.at(-1);
  const isAtLast = last?.position === page.position;
  const reachedId = isAtLast ? last.id : lookedTo === undefined ? afterId : idInStream(client, number, lookedTo);
  return { page: { ...page, afterId, reachedId }, bytes, isFull };
}

export function readLogPage(client: SqliteClient, request: ReadAllRequest, room: PageRoom): PagePart<LogPage> {
  const part = findInLog(client, request, room);
  if (!request.wantsIds) return part;
  const { events, globalPosition } = part.page;
  const afterId = idAt(client, request.after);
  const last = events.at(-1);
  const isAtLast = last?.globalPosition === globalPosition;
  const reachedId = isAtLast ? last.id : globalPosition === request.after ? afterId : idAt(client, globalPosition);
  return { ...part, page: { ...part.page, afterId, reachedId } };
}

function findInLog(client: SqliteClient, request: ReadAllRequest, room: PageRoom): PagePart<LogPage> {
  const { after, limit, direction, filter, recordedSince } = request;
  const log = loadLog(client);
  const first = firstKept(client, log, recordedSince);
  const page = { head: log.head, trimmedTo: first - 1 };
  if (filter?.stream !== undefined) {
    const { bytes, ...found } = findInStream(client, filter, request, room, first, log.head);
    return { page: { ...page, ...found }, bytes, isFull: found.isFull };
  }
  const { events, lookedTo, isEnd, bytes, isFull } = findEvents(
    theLog(client),
    stretchBefore(direction, after, { first, last: log.head }),
    direction,
    limit,
    room,
    filter && (({ streamId, type }) => filter.matchesStream(streamId) && filter.matchesType(type)),
  );
  return { page: { ...page, events, globalPosition: lookedTo ?? after, isEnd, isFull }, bytes, isFull };
}

/** The part of the log that lies in the one stream that a filter names. */
function findInStream(
  client: SqliteClient,
  filter: CompiledFilter,
  { after, limit, direction }: ReadAllRequest,
  room: PageRoom,
  firstKept: number,
  head: number,
): Pick<LogPage, 'events' | 'globalPosition' | 'isEnd' | 'isFull'> & { readonly bytes: number } {
  const streamId = filter.stream!;
  const end = direction === 'forward' ? Math.max(after, head) : Math.min(after, firstKept);
  const stream = filter.matchesStream(streamId) ? findStream(client, streamId) : undefined;
  if (!stream) return { events: [], globalPosition: end, isEnd: true, isFull: false, bytes: 0 };
  const first = firstPositionFrom(client, stream, firstKept);
  const place =
    direction === 'forward'
      ? firstPositionFrom(client, stream, after + 1) - 1
      : firstPositionFrom(client, stream, after);
  const { lookedTo, ...found } = findEvents(
    theStream(client, streamId, stream.number),
    stretchBefore(direction, place, { first, last: stream.revision }),
    direction,
    limit,
    room,
    filter.types && (({ type }) => filter.matchesType(type)),
  );
  if (found.isEnd) return { ...found, globalPosition: end };
  const globalPosition = lookedTo === undefined ? after : globalPositionOf(client, stream.number, lookedTo);
  return { ...found, globalPosition };
}

export function readTimePage(
  client: SqliteClient,
  request: ReadTimeRangeRequest,
  room: PageRoom,
): PagePart<TimeRangePage> {
  const { from, to, upTo, limit, filter, recordedSince } = request;
  const log = loadLog(client);
  const within = { first: firstKept(client, log, recordedSince), last: Math.min(upTo, log.head) };
  const after =
    request.after && request.after.timestamp >= from ? request.after : { timestamp: from, globalPosition: 0 };
  // One more than wanted tells whether more follow.
  const most = filter ? MOST_EVENTS_LOOKED_AT : Math.min(limit, MOST_EVENTS_LOOKED_AT);
  const span = { after, to, within, limit: most + 1 };
  if (!filter) {
    const bytes = mostBytesByTime(client, span);
    if (bytes <= room.most) {
      const rows = eventsByTime(client, span);
      const next = rows.length > most ? placeOf(rows[most - 1]) : undefined;
      return { page: { events: rows.slice(0, most).map(recordedEvent), next }, bytes, isFull: false };
    }
  }
  const kinds = kindsByTime(client, span);
  const wanted = kinds
    .slice(0, most)
    .filter(({ streamId, type }) => !filter || (filter.matchesStream(streamId) && filter.matchesType(type)))
    .slice(0, limit);
  const { count, bytes } = fitting(wanted, room);
  const events = filter
    ? wanted
        .slice(0, count)
        .flatMap(({ globalPosition: at }) => eventsOfLog(client, { first: at, last: at }, 'forward'))
    : count > 0
      ? eventsByTime(client, { ...span, limit: count })
      : [];
  const isFull = count < wanted.length;
  let looked = Math.min(kinds.length, most);
  if (isFull) looked = kinds.indexOf(wanted[count]);
  else if (count === limit) looked = kinds.indexOf(wanted[count - 1]) + 1;
  const next = looked < kinds.length ? (looked > 0 ? placeOf(kinds[looked - 1]) : after) : undefined;
  return { page: { events: events.map(recordedEvent), next }, bytes, isFull };
}

function placeOf({ timestamp, globalPosition }: TimePlace): TimePlace {
  return { timestamp, globalPosition };
}
