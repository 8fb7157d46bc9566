import { StreamLimitReachedError, WrongExpectedRevisionError } from '../store/values/errors.js';
import { createEventId } from '../store/values/event-id.js';
import { exactRevision, revisionMatches } from '../store/values/expected-revision.js';
import { isOwnStream } from '../store/values/names.js';
import type { AppendAnswer, AppendRequest, EngineContext } from '../store/ports/storage-engine.js';
import { recordedEvent } from '../store/values/recorded-event.js';
import { isSameEvent } from '../store/services/same-event.js';
import { recordingTime } from '../store/values/time.js';
import { eventIds } from './queries/event-ids.js';
import { eventsOfStream } from './queries/events.js';
import { firstKept, firstPositionFrom, keptStreams } from './first-kept.js';
import { insertEvent } from './queries/insert-event.js';
import type { Log } from './queries/log.js';
import { findStream, insertStream, type StreamRow, updateStreamEnd } from './queries/streams.js';
import type { SqliteClient } from './sqlite-client.js';

/** Appends a batch, in a transaction that others may share; a refusal comes before anything is written. */
export function appendEvents(
  client: SqliteClient,
  log: Log,
  request: AppendRequest,
  context: EngineContext,
): AppendAnswer {
  const { streamId, events, expectedRevision } = request;
  const stream = findStream(client, streamId);
  const revision = stream?.revision ?? 0;
  if (!revisionMatches(expectedRevision, revision)) {
    const repeated = stream && answerOfRetry(client, stream, request);
    if (repeated) return repeated;
    throw new WrongExpectedRevisionError(streamId, expectedRevision, revision);
  }
  if (events.length > 0) {
    if (!isOwnStream(streamId)) checkLimits(client, log, stream, request, context);
    insertEvents(client, log, stream, request, context);
  }
  return { firstPosition: revision + 1, globalPosition: log.head, repeated: false };
}

/** The first answer, if the events of the request already lie where its expected revision says. */
function answerOfRetry(
  client: SqliteClient,
  stream: StreamRow,
  { events, expectedRevision }: AppendRequest,
): AppendAnswer | undefined {
  const expected = exactRevision(expectedRevision);
  if (expected === undefined || events.length === 0 || expected + events.length > stream.revision) return undefined;
  const kept = eventIds(client, stream.number, expected + 1, expected + events.length);
  const hasSameIds = kept.length === events.length && events.every(({ id }, index) => id === kept[index].id);
  if (!hasSameIds) return undefined;
  const stretch = { first: expected + 1, last: expected + events.length };
  const rows = eventsOfStream(client, stream.number, stretch, 'forward');
  if (!events.every((event, index) => isSameEvent(recordedEvent(rows[index]), event))) return undefined;
  return { firstPosition: expected + 1, globalPosition: kept.at(-1)!.globalPosition, repeated: true };
}

function checkLimits(
  client: SqliteClient,
  log: Log,
  stream: StreamRow | undefined,
  { streamId, events, recordedSince }: AppendRequest,
  { maxEventsPerStream, maxStreams }: EngineContext,
): void {
  const countFrom = (firstPosition: number): number => (stream ? stream.revision - firstPosition + 1 : 0);
  const count = countFrom(stream?.firstPosition ?? 1);
  const isFull = count + events.length > maxEventsPerStream;
  const isOneMore = log.streams >= maxStreams;
  if (!isFull && !isOneMore) return;

  // What has expired counts no more, but counting without it takes longer: only when it may make the difference.
  const first = firstKept(client, log, recordedSince);
  const keptCount = stream ? countFrom(firstPositionFrom(client, stream, first)) : 0;
  if (keptCount + events.length > maxEventsPerStream) {
    throw new StreamLimitReachedError('maxEventsPerStream', maxEventsPerStream, streamId);
  }
  if (isOneMore && keptCount === 0 && keptStreams(client, log, first) >= maxStreams) {
    throw new StreamLimitReachedError('maxStreams', maxStreams, streamId);
  }
}

function insertEvents(
  client: SqliteClient,
  log: Log,
  stream: StreamRow | undefined,
  { streamId, events, recordedSince }: AppendRequest,
  { clock }: EngineContext,
): void {
  const number = stream?.number ?? insertStream(client, streamId);
  const wasEmpty = !stream || stream.firstPosition > stream.revision;
  const now = Math.floor(clock.now());
  const recordedAt = recordingTime(now, log.recordedAt ?? -Infinity, recordedSince);
  let position = stream?.revision ?? 0;
  for (const { id, type, data, metadata, timestamp } of events) {
    position++;
    log.head++;
    insertEvent(client, number, {
      id: id ?? createEventId(recordedAt),
      type,
      data,
      metadata,
      timestamp: timestamp ?? now,
      position,
      globalPosition: log.head,
      recordedAt,
    });
  }
  updateStreamEnd(client, number, position, log.head);
  log.recordedAt = recordedAt;
  if (wasEmpty && !isOwnStream(streamId)) log.streams++;
  log.changes++;
}
