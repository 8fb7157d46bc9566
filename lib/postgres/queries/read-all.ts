import type { LogPage, ReadAllRequest } from '../../store/storage-engine.js';
import type { Query, Row } from '../postgres-client.js';
import { EVENT_COLUMNS, toEvent } from './event-columns.js';
import { filterCondition, Parameters } from './event-conditions.js';
import { integerOrNull } from './integers.js';
import { endOfPage, pageCondition } from './page-end.js';
import { MOST_EVENTS_READ } from './page-size.js';

/** A page of the log. What is known of the log stands before the columns of each event, or alone. */
export function readAll(schema: string, request: ReadAllRequest): Query<LogPage> {
  const { after, limit, direction, filter, recordedSince } = request;
  const parameters = new Parameters();
  const begin = parameters.add(integerOrNull(after));
  const order = direction === 'forward' ? 'ASC' : 'DESC';
  const most = Math.min(limit, MOST_EVENTS_READ);
  const text = `
    WITH log AS MATERIALIZED (
      SELECT log_end.head, ${schema}.first_kept(${parameters.add(integerOrNull(recordedSince))}) - 1 AS trimmed_to
      FROM ${schema}.log_end()
    )
    SELECT log.head, log.trimmed_to, page.* FROM log LEFT JOIN LATERAL (
      SELECT ${EVENT_COLUMNS} FROM ${schema}.events e
      WHERE ${pageCondition(direction, 'e.global_position', begin, 'log.trimmed_to', 'log.head')}
        AND ${filterCondition(filter, parameters)}
      ORDER BY e.global_position ${order} LIMIT ${parameters.add(most)}
    ) AS page ON true
    ORDER BY page.global_position ${order}`;
  return { text, values: parameters.values, answer: (rows) => pageOf(rows, request, most) };
}

function pageOf(rows: readonly Row[], { after, direction }: ReadAllRequest, most: number): LogPage {
  const [head, trimmedTo] = rows[0].slice(0, 2).map(Number);
  const events = rows[0][2] === null ? [] : rows.map((row) => toEvent(row, 2));
  const isFull = events.length === most;
  const lastRead = events.at(-1)?.globalPosition;
  const { position, isEnd } = endOfPage({ after, direction, isFull, lastRead, trimmedTo, last: head });
  return { events, globalPosition: position, head, trimmedTo, isEnd };
}
