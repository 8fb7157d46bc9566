import type { ReadStreamRequest, StreamPage } from '../../store/ports/storage-engine.js';
import type { Query, Row } from '../postgres-client.js';
import { boundedPage, BYTES, inOrder, withinRoom } from './bounded-page.js';
import { EVENT_COLUMNS, toEvent } from './event-columns.js';
import { Parameters, typeCondition } from './event-conditions.js';
import { integerOrNull, timeOrNull } from './integers.js';
import { checkWhole, conditionOfPage, endOfPage, farthestPlace, idsOfPage, stretchOfPage } from './page.js';
import { MOST_EVENTS_LOOKED_AT as mostLookedAt, MOST_EVENTS_READ } from './page-size.js';

/**
 * A page of one stream. What is known of the stream stands before the columns of each event, or alone.
 */
export function readStream(schema: string, request: ReadStreamRequest): Query<StreamPage> {
  const { streamId, after, limit, maxBytes, direction, types, recordedSince, wantsIds } = request;
  const parameters = new Parameters();
  const stream = parameters.add(streamId);
  const begin = parameters.add(integerOrNull(after));
  const order = direction === 'forward' ? 'ASC' : 'DESC';
  const most = Math.min(limit, MOST_EVENTS_READ);
  const bounds = { trimmedTo: 'stream.trimmed_to', last: 'stream.revision' };
  const look = conditionOfPage({ column: 'e.position', direction, begin, ...bounds, mostLookedAt });
  const idAt = (place: string): string =>
    wantsIds ? `(SELECT e.id FROM ${schema}.events e WHERE e.stream_id = ${stream} AND e.position = ${place})` : 'null';
  // Without types, a page ends with an event.
  const farthestId = types ? idAt(farthestPlace({ begin, ...bounds, mostLookedAt })) : 'null';
  const kept = trimmedTo(schema, recordedSince, parameters);
  const events = `
    SELECT ${EVENT_COLUMNS}, ${BYTES} AS bytes FROM ${schema}.events e
    WHERE e.stream_id = ${stream}
      AND ${look}
      AND ${typeCondition(types, parameters)}
    ORDER BY e.position ${order} LIMIT ${parameters.add(most)}`;
  const room = { order: `e.position ${order}`, maxBytes: parameters.add(Math.min(maxBytes, Number.MAX_SAFE_INTEGER)) };
  const text = `
    WITH stream AS MATERIALIZED (
      SELECT coalesce(last.position, s.trimmed_to) AS revision, ${kept} AS trimmed_to
      FROM ${schema}.streams s LEFT JOIN LATERAL (
        SELECT e.position FROM ${schema}.events e WHERE e.stream_id = s.stream_id ORDER BY e.position DESC LIMIT 1
      ) AS last ON true
      WHERE s.stream_id = ${stream}
    )
    SELECT stream.revision, stream.trimmed_to, ${idAt(`${begin}::bigint`)}, ${farthestId}, page.* FROM stream
    LEFT JOIN LATERAL (${boundedPage({ events, ...room })}) AS page ON true`;
  // With types, how much is to be looked at depends on which: a plan for any of them would look at too much.
  const isPrepared = types === undefined;
  return { isPrepared, text, values: parameters.values, answer: (rows) => pageOf(schema, rows, request, most) };
}

/** The position of the last event of stream `s`, whose last one is `last`, that was removed or has expired. */
function trimmedTo(schema: string, recordedSince: number, parameters: Parameters): string {
  if (recordedSince === -Infinity) return 's.trimmed_to';
  return `coalesce((
    SELECT e.position - 1 FROM ${schema}.events e
    WHERE e.stream_id = s.stream_id
      AND e.global_position >= (SELECT ${schema}.first_kept(${parameters.add(timeOrNull(recordedSince))}))
    ORDER BY e.position LIMIT 1
  ), last.position, s.trimmed_to)`;
}

function pageOf(schema: string, rows: readonly Row[], request: ReadStreamRequest, most: number): StreamPage {
  const { streamId, after, direction, types, wantsIds } = request;
  if (rows.length === 0) return { events: [], revision: 0, trimmedTo: 0, position: after, isEnd: true, isFull: false };
  const [revision, trimmedTo] = rows[0].slice(0, 2).map(Number);
  const { fitting, isFull } = withinRoom(inOrder(rows, 5, direction), 4);
  const events = rows[0][4] === null ? [] : fitting.map((row) => toEvent(streamId, row, 4));
  const endsEarly = isFull || events.length === most;
  const lastRead = events.at(-1)?.position;
  const end = endOfPage({ after, direction, mostLookedAt, endsEarly, lastRead, trimmedTo, last: revision });
  if (!types) {
    const stretch = stretchOfPage(request, { position: end.position, trimmedTo, last: revision });
    checkWhole(`stream "${streamId}" in schema ${schema}`, stretch, events.length);
  }
  const page = { events, revision, trimmedTo, ...end, isFull };
  if (!wantsIds) return page;
  const found = { afterId: rows[0][2], farthestId: rows[0][3], last: events.at(-1) };
  return { ...page, ...idsOfPage(after, end.position, found) };
}
