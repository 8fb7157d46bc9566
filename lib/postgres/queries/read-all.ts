import type { LogPage, ReadAllRequest } from '../../store/ports/storage-engine.js';
import type { Query, Row } from '../postgres-client.js';
import { boundedPage, BYTES, inOrder, withinRoom } from './bounded-page.js';
import { EVENT_COLUMNS, toEvent } from './event-columns.js';
import { filterCondition, Parameters } from './event-conditions.js';
import { integerOrNull, timeOrNull } from './integers.js';
import { checkWhole, conditionOfPage, endOfPage, farthestPlace, idsOfPage, stretchOfPage } from './page.js';
import { MOST_EVENTS_LOOKED_AT, MOST_EVENTS_READ } from './page-size.js';

/**
 * A page of the log. What is known of the log stands before the columns of each event, or alone.
 */
export function readAll(schema: string, request: ReadAllRequest): Query<LogPage> {
  const { after, limit, maxBytes, direction, filter, recordedSince, wantsIds } = request;
  const parameters = new Parameters();
  const begin = parameters.add(integerOrNull(after));
  const order = direction === 'forward' ? 'ASC' : 'DESC';
  const most = Math.min(limit, MOST_EVENTS_READ);
  const page = { direction, begin, trimmedTo: 'log.trimmed_to', last: 'log.head' };
  // One stream is read by its own index, in which the order is that of the log; the others by the order of the log.
  const [look, place] =
    filter?.stream === undefined
      ? [
          conditionOfPage({ ...page, column: 'e.global_position', mostLookedAt: MOST_EVENTS_LOOKED_AT }),
          'global_position',
        ]
      : [conditionOfPage({ ...page, column: '(e.global_position + 0)' }), 'position'];
  const trimmedTo =
    recordedSince === -Infinity
      ? 'log.trimmed_to'
      : `(SELECT ${schema}.first_kept(${parameters.add(timeOrNull(recordedSince))})) - 1`;
  const idAt = (place: string): string =>
    wantsIds ? `(SELECT e.id FROM ${schema}.events e WHERE e.global_position = ${place})` : 'null';
  const mostLookedAt = filter?.stream === undefined ? MOST_EVENTS_LOOKED_AT : undefined;
  // Without a filter, a page ends with an event.
  const farthestId = filter ? idAt(farthestPlace({ ...page, mostLookedAt })) : 'null';
  const events = `
    SELECT e.stream_id, ${EVENT_COLUMNS}, ${BYTES} AS bytes FROM ${schema}.events e
    WHERE ${look} AND ${filterCondition(filter, parameters)}
    ORDER BY e.${place} ${order} LIMIT ${parameters.add(most)}`;
  const bounds = {
    before: 'e.stream_id',
    order: `e.${place} ${order}`,
    maxBytes: parameters.add(Math.min(maxBytes, Number.MAX_SAFE_INTEGER)),
  };
  const text = `
    WITH log AS MATERIALIZED (
      SELECT log_end.head, ${trimmedTo} AS trimmed_to FROM ${schema}.log_end(), ${schema}.log WHERE log.id = 1
    )
    SELECT log.head, log.trimmed_to, ${idAt(`${begin}::bigint`)}, ${farthestId}, page.* FROM log
    LEFT JOIN LATERAL (${boundedPage({ events, ...bounds })}) AS page ON true`;
  // With a condition, how much is to be looked at depends on its values: a plan for any of them would look at too much.
  const isPrepared = !filter?.stream && !filter?.streams && !filter?.types;
  return { isPrepared, text, values: parameters.values, answer: (rows) => pageOf(schema, rows, request, most) };
}

function pageOf(schema: string, rows: readonly Row[], request: ReadAllRequest, most: number): LogPage {
  const { after, direction, filter, wantsIds } = request;
  const [head, trimmedTo] = rows[0].slice(0, 2).map(Number);
  const { fitting, isFull } = withinRoom(inOrder(rows, filter?.stream === undefined ? 5 : 6, direction), 5);
  const events = rows[0][4] === null ? [] : fitting.map((row) => toEvent(row[4]!, row, 5));
  const endsEarly = isFull || events.length === most;
  const lastRead = events.at(-1)?.globalPosition;
  const mostLookedAt = filter?.stream === undefined ? MOST_EVENTS_LOOKED_AT : Infinity;
  const { position, isEnd } = endOfPage({ after, direction, mostLookedAt, endsEarly, lastRead, trimmedTo, last: head });
  if (!filter) {
    const stretch = stretchOfPage(request, { position, trimmedTo, last: head });
    checkWhole(`log in schema ${schema}`, stretch, events.length);
  }
  const page = { events, globalPosition: position, head, trimmedTo, isEnd, isFull };
  if (!wantsIds) return page;
  const last = events.at(-1);
  const found = {
    afterId: rows[0][2],
    farthestId: rows[0][3],
    last: last && { position: last.globalPosition, id: last.id },
  };
  return { ...page, ...idsOfPage(after, position, found) };
}
