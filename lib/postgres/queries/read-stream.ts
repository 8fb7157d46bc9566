import type { ReadStreamRequest, StreamPage } from '../../store/storage-engine.js';
import type { Query, Row } from '../postgres-client.js';
import { EVENT_COLUMNS, toEvent } from './event-columns.js';
import { Parameters, typeCondition } from './event-conditions.js';
import { integerOrNull, timeOrNull } from './integers.js';
import { conditionOfPage, endOfPage } from './page.js';
import { MOST_EVENTS_LOOKED_AT as mostLookedAt, MOST_EVENTS_READ } from './page-size.js';

/**
 * A page of one stream. What is known of the stream stands before the columns of each event, or alone.
 *
 * The join is with one row, so the events stay in their order.
 */
export function readStream(schema: string, request: ReadStreamRequest): Query<StreamPage> {
  const { streamId, after, limit, direction, types, recordedSince } = request;
  const parameters = new Parameters();
  const stream = parameters.add(streamId);
  const begin = parameters.add(integerOrNull(after));
  const order = direction === 'forward' ? 'ASC' : 'DESC';
  const most = Math.min(limit, MOST_EVENTS_READ);
  const bounds = { trimmedTo: 'stream.trimmed_to', last: 'stream.revision' };
  const look = conditionOfPage({ column: 'e.position', direction, begin, ...bounds, mostLookedAt });
  const text = `
    WITH stream AS MATERIALIZED (
      SELECT coalesce(last.position, s.trimmed_to) AS revision, ${trimmedTo(schema, recordedSince, parameters)} AS trimmed_to
      FROM ${schema}.streams s LEFT JOIN LATERAL (
        SELECT e.position FROM ${schema}.events e WHERE e.stream_id = s.stream_id ORDER BY e.position DESC LIMIT 1
      ) AS last ON true
      WHERE s.stream_id = ${stream}
    )
    SELECT stream.revision, stream.trimmed_to, page.* FROM stream LEFT JOIN LATERAL (
      SELECT ${EVENT_COLUMNS} FROM ${schema}.events e
      WHERE e.stream_id = ${stream}
        AND ${look}
        AND ${typeCondition(types, parameters)}
      ORDER BY e.position ${order} LIMIT ${parameters.add(most)}
    ) AS page ON true`;
  // With types, how much is to be looked at depends on which: a plan for any of them would look at too much.
  const isPrepared = types === undefined;
  return { isPrepared, text, values: parameters.values, answer: (rows) => pageOf(rows, request, most) };
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

function pageOf(rows: readonly Row[], { streamId, after, direction }: ReadStreamRequest, most: number): StreamPage {
  if (rows.length === 0) return { events: [], revision: 0, trimmedTo: 0, position: after, isEnd: true };
  const [revision, trimmedTo] = rows[0].slice(0, 2).map(Number);
  const events = rows[0][2] === null ? [] : rows.map((row) => toEvent(streamId, row, 2));
  const isFull = events.length === most;
  const lastRead = events.at(-1)?.position;
  const page = { after, direction, mostLookedAt, isFull, lastRead, trimmedTo, last: revision };
  return { events, revision, trimmedTo, ...endOfPage(page) };
}
