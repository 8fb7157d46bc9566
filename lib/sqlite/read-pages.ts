import type { CompiledFilter } from '../store/event-filter.js';
import type { RecordedEvent } from '../store/event.js';
import { recordedEvent } from '../store/recorded-event.js';
import type {
  LogPage,
  ReadAllRequest,
  ReadStreamRequest,
  ReadTimeRangeRequest,
  StreamPage,
  TimePlace,
  TimeRangePage,
} from '../store/storage-engine.js';
import { findEvents, MOST_EVENTS_LOOKED_AT, stretchBefore, theLog, theStream } from './event-search.js';
import { eventsByTime, kindsByTime } from './queries/events-by-time.js';
import { eventsOfLog } from './queries/events.js';
import { firstKept, firstPositionFrom } from './first-kept.js';
import { loadLog } from './queries/log.js';
import { globalPositionOf, idAt, idInStream } from './queries/places.js';
import { findStream } from './queries/streams.js';
import type { SqliteClient } from './sqlite-client.js';

// Each is to be called within a transaction that reads, so that its statements see the same state.

export function readStreamPage(client: SqliteClient, request: ReadStreamRequest): StreamPage {
  const { streamId, after, limit, direction, types, recordedSince, wantsIds } = request;
  const stream = findStream(client, streamId);
  if (!stream) return { events: [], revision: 0, trimmedTo: 0, position: after, isEnd: true };
  const { number, revision } = stream;
  const first =
    recordedSince === -Infinity
      ? stream.firstPosition
      : firstPositionFrom(client, stream, firstKept(client, loadLog(client), recordedSince));
  const { events, lookedTo, isEnd } = findEvents(
    theStream(client, streamId, number),
    stretchBefore(direction, after, { first, last: revision }),
    direction,
    limit,
    types && (({ type }) => types.some((pattern) => pattern.matches(type))),
  );
  const page = { events, revision, trimmedTo: first - 1, position: lookedTo ?? after, isEnd };
  if (!wantsIds) return page;
  const afterId = idInStream(client, number, after);
  const last = events.at(-1);
  if (last?.position === page.position) return { ...page, afterId, reachedId: last.id };
  return { ...page, afterId, reachedId: lookedTo === undefined ? afterId : idInStream(client, number, lookedTo) };
}

export function readLogPage(client: SqliteClient, request: ReadAllRequest): LogPage {
  const page = findInLog(client, request);
  if (!request.wantsIds) return page;
  const { events, globalPosition } = page;
  const afterId = idAt(client, request.after);
  const last = events.at(-1);
  if (last?.globalPosition === globalPosition) return { ...page, afterId, reachedId: last.id };
  return { ...page, afterId, reachedId: globalPosition === request.after ? afterId : idAt(client, globalPosition) };
}

function findInLog(client: SqliteClient, request: ReadAllRequest): LogPage {
  const { after, limit, direction, filter, recordedSince } = request;
  const log = loadLog(client);
  const first = firstKept(client, log, recordedSince);
  const page = { head: log.head, trimmedTo: first - 1 };
  if (filter?.stream !== undefined) return { ...page, ...findInStream(client, filter, request, first, log.head) };
  const { events, lookedTo, isEnd } = findEvents(
    theLog(client),
    stretchBefore(direction, after, { first, last: log.head }),
    direction,
    limit,
    filter && (({ streamId, type }) => filter.matchesStream(streamId) && filter.matchesType(type)),
  );
  return { ...page, events, globalPosition: lookedTo ?? after, isEnd };
}

/** The part of the log that lies in the one stream that a filter names. */
function findInStream(
  client: SqliteClient,
  filter: CompiledFilter,
  { after, limit, direction }: ReadAllRequest,
  firstKept: number,
  head: number,
): Pick<LogPage, 'events' | 'globalPosition' | 'isEnd'> {
  const streamId = filter.stream!;
  const end = direction === 'forward' ? Math.max(after, head) : Math.min(after, firstKept);
  const stream = filter.matchesStream(streamId) ? findStream(client, streamId) : undefined;
  if (!stream) return { events: [], globalPosition: end, isEnd: true };
  const first = firstPositionFrom(client, stream, firstKept);
  const place =
    direction === 'forward'
      ? firstPositionFrom(client, stream, after + 1) - 1
      : firstPositionFrom(client, stream, after);
  const { events, lookedTo, isEnd } = findEvents(
    theStream(client, streamId, stream.number),
    stretchBefore(direction, place, { first, last: stream.revision }),
    direction,
    limit,
    filter.types && (({ type }) => filter.matchesType(type)),
  );
  if (isEnd) return { events, globalPosition: end, isEnd };
  const globalPosition = lookedTo === undefined ? after : globalPositionOf(client, stream.number, lookedTo);
  return { events, globalPosition, isEnd };
}

export function readTimePage(client: SqliteClient, request: ReadTimeRangeRequest): TimeRangePage {
  const { from, to, upTo, limit, filter, recordedSince } = request;
  const log = loadLog(client);
  const within = { first: firstKept(client, log, recordedSince), last: Math.min(upTo, log.head) };
  const after =
    request.after && request.after.timestamp >= from ? request.after : { timestamp: from, globalPosition: 0 };
  // One more than wanted tells whether more follow.
  const most = filter ? MOST_EVENTS_LOOKED_AT : Math.min(limit, MOST_EVENTS_LOOKED_AT);
  const span = { after, to, within, limit: most + 1 };
  if (!filter) {
    const rows = eventsByTime(client, span);
    return {
      events: rows.slice(0, most).map(recordedEvent),
      next: rows.length > most ? placeOf(rows[most - 1]) : undefined,
    };
  }
  const kinds = kindsByTime(client, span);
  const events: RecordedEvent[] = [];
  let looked = 0;
  for (; looked < Math.min(kinds.length, most) && events.length < limit; looked++) {
    const { globalPosition, streamId, type } = kinds[looked];
    if (!filter.matchesStream(streamId) || !filter.matchesType(type)) continue;
    events.push(recordedEvent(eventsOfLog(client, { first: globalPosition, last: globalPosition }, 'forward')[0]));
  }
  return { events, next: looked < kinds.length ? placeOf(kinds[looked - 1]) : undefined };
}

function placeOf({ timestamp, globalPosition }: TimePlace): TimePlace {
  return { timestamp, globalPosition };
}
