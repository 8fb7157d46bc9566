import type { ReadTimeRangeRequest, TimeRangePage } from '../../store/ports/storage-engine.js';
import type { Query, Row } from '../postgres-client.js';
import { boundedPage, BYTES, withinRoom } from './bounded-page.js';
import { EVENT_COLUMNS, toEvent } from './event-columns.js';
import { filterCondition, Parameters } from './event-conditions.js';
import { timeOrNull } from './integers.js';
import { MOST_EVENTS_READ, MOST_TIMES_LOOKED_AT } from './page-size.js';

/**
 * A page of a time range. Each event is numbered in the order of time; the last one that is looked at comes along, wanted
 * or not, to say where to go on.
 */
export function readTimeRange(schema: string, request: ReadTimeRangeRequest): Query<TimeRangePage> {
  const { from, to, after, upTo, limit, maxBytes, filter, recordedSince } = request;
  const parameters = new Parameters();
  const inRange = ['true'];
  if (from !== -Infinity) inRange.push(`e.timestamp >= ${parameters.add(Math.ceil(from))}`);
  if (to !== Infinity) inRange.push(`e.timestamp <= ${parameters.add(Math.floor(to))}`);
  if (after) {
    const place = `(${parameters.add(after.timestamp)}, ${parameters.add(after.globalPosition)})`;
    inRange.push(`(e.timestamp, e.global_position) > ${place}`);
  }
  if (filter?.stream !== undefined) inRange.push(`e.stream_id = ${parameters.add(filter.stream)}`);
  // Not a part of the range: what the planner cannot estimate would keep it from reading in the order of time.
  const isWanted = [filterCondition(filter, parameters), 'e.global_position >= (SELECT first_kept FROM kept)'];
  if (upTo !== Infinity) isWanted.push(`e.global_position <= ${parameters.add(upTo)}`);
  const most = Math.min(limit, MOST_EVENTS_READ);
  const events = `
    SELECT e.place, e.is_wanted, e.stream_id, ${EVENT_COLUMNS}, CASE WHEN e.is_wanted THEN ${BYTES} ELSE 0 END AS bytes
    FROM (
      SELECT row_number() OVER (ORDER BY e.timestamp, e.global_position) AS place, ${isWanted.join(' AND ')} AS is_wanted, e.* FROM (
        SELECT * FROM ${schema}.events e WHERE ${inRange.join(' AND ')}
        ORDER BY e.timestamp, e.global_position LIMIT ${MOST_TIMES_LOOKED_AT}
      ) AS e ORDER BY e.timestamp, e.global_position
    ) AS e
    WHERE e.is_wanted OR e.place = ${MOST_TIMES_LOOKED_AT}
    ORDER BY e.timestamp, e.global_position LIMIT ${parameters.add(most)}`;
  const bounds = {
    before: 'e.place, e.is_wanted, e.stream_id',
    order: 'e.timestamp, e.global_position',
    maxBytes: parameters.add(Math.min(maxBytes, Number.MAX_SAFE_INTEGER)),
  };
  const text = `
    WITH kept AS MATERIALIZED (SELECT ${schema}.first_kept(${parameters.add(timeOrNull(recordedSince))}) AS first_kept)
    ${boundedPage({ events, ...bounds })}`;
  return { text, values: parameters.values, answer: (rows) => pageOf(rows, most) };
}

function pageOf(rows: readonly Row[], most: number): TimeRangePage {
  const { fitting, isFull } = withinRoom(rows, 3);
  const events = fitting.filter(([, isWanted]) => isWanted === 't').map((row) => toEvent(row[2]!, row, 3));
  const last = fitting.at(-1);
  const isLast = !last || (!isFull && rows.length < most && Number(last[0]) < MOST_TIMES_LOOKED_AT);
  return { events, next: isLast ? undefined : { timestamp: Number(last[9]), globalPosition: Number(last[3]) } };
}
