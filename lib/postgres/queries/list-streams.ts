import type { ListStreamsRequest } from '../../store/ports/storage-engine.js';
import { readOnlyDate } from '../../store/values/read-only-date.js';
import type { StreamInfo } from '../../store/values/stream-info.js';
import type { Query, Row } from '../postgres-client.js';
import { escapeLike, Parameters } from './event-conditions.js';
import { integerOrNull, timeOrNull } from './integers.js';

/** Streams in the order of their ids; one that is asked for by its id also when it is empty. */
export function listStreams(schema: string, request: ListStreamsRequest): Query<StreamInfo[]> {
  const { streamId, prefix, after, limit, recordedSince } = request;
  const parameters = new Parameters();
  const retainedSince = parameters.add(timeOrNull(recordedSince));
  const conditions: string[] = [];
  if (streamId !== undefined) {
    conditions.push(`s.stream_id = ${parameters.add(streamId)}`);
  } else {
    conditions.push('first.position IS NOT NULL');
    if (prefix === '') conditions.push(`NOT starts_with(s.stream_id, '$')`);
    else conditions.push(`s.stream_id LIKE ${parameters.add(`${escapeLike(prefix)}%`)}`);
    if (after !== '') conditions.push(`s.stream_id > ${parameters.add(after)}`);
  }
  const text = `
    WITH kept AS MATERIALIZED (SELECT ${schema}.first_kept(${retainedSince}) AS first_kept)
    SELECT s.stream_id, coalesce(last.position, s.trimmed_to), first.position, first.timestamp, last.timestamp
    FROM ${schema}.streams s
    LEFT JOIN LATERAL (
      SELECT e.position, e.timestamp FROM ${schema}.events e
      WHERE e.stream_id = s.stream_id ORDER BY e.position DESC LIMIT 1
    ) AS last ON true
    LEFT JOIN LATERAL (
      SELECT e.position, e.timestamp FROM ${schema}.events e
      WHERE e.stream_id = s.stream_id AND e.global_position >= (SELECT first_kept FROM kept) ORDER BY e.position LIMIT 1
    ) AS first ON true
    WHERE ${conditions.join(' AND ')}
    ORDER BY s.stream_id LIMIT ${parameters.add(integerOrNull(limit))}`;
  return { text, values: parameters.values, answer: (rows) => rows.map(toStreamInfo) };
}

function toStreamInfo([streamId, lastText, firstText, firstTimestamp, lastTimestamp]: Row): StreamInfo {
  const lastPosition = Number(lastText);
  const firstPosition = firstText === null ? lastPosition + 1 : Number(firstText);
  const isEmpty = firstText === null;
  return {
    streamId: streamId!,
    eventCount: lastPosition - firstPosition + 1,
    firstEvent: isEmpty ? null : readOnlyDate(Number(firstTimestamp)),
    lastEvent: isEmpty ? null : readOnlyDate(Number(lastTimestamp)),
    firstPosition,
    lastPosition,
  };
}
