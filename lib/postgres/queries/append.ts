import {
  StorageFailedError,
  StorageUnavailableError,
  StreamLimitReachedError,
  WrongExpectedRevisionError,
} from '../../store/values/errors.js';
import { createEventId } from '../../store/values/event-id.js';
import { ANY, type ExpectedRevision, NO_STREAM, STREAM_EXISTS } from '../../store/values/expected-revision.js';
import type { AppendAnswer, AppendRequest } from '../../store/ports/storage-engine.js';
import type { Announcement } from '../append-announcer.js';
import type { Query, Row } from '../postgres-client.js';
import { integerOrNull, integersOf, timeOrNull } from './integers.js';

/** What holds for all the batches that share a commit. */
export interface CommitSettings {
  /** The time of the append by the clock of the store, in milliseconds since 1970. */
  readonly now: number;
  /** Whether that is a clock of the store's own, for events to be recorded by, and not that of the computer. */
  readonly isOwnClock: boolean;
  /** Infinity for no limit. */
  readonly maxEventsPerStream: number;
  readonly maxStreams: number;
  /** What to tell other instances; undefined for nothing. */
  readonly announcement: Announcement | undefined;
  /** Whether nothing is to be kept that a standby might not have. Default false. */
  readonly requiresStandby?: boolean;
}

// A commit waits for a standby, and says so when it was told not to wait any longer.
const WAITS_FOR_STANDBY = `current_setting('synchronous_standby_names') <> ''
  AND current_setting('synchronous_commit') NOT IN ('off', 'local') AND current_setting('client_min_messages') <> 'error'`;

/** What became of a batch: it was kept, or why not, or it is to be asked again, because it repeats one beside it. */
export type AppendOutcome = AppendAnswer | WrongExpectedRevisionError | StreamLimitReachedError | 'ask again';

const KEPT = 1;
const KEPT_BEFORE = 2;
const WRONG_REVISION = 3;
const TOO_MANY_EVENTS = 4;
const TOO_MANY_STREAMS = 5;
const ASK_AGAIN = 6;

/** Appends batches in one commit. The answers are in their order. */
export function append(
  schema: string,
  requests: readonly AppendRequest[],
  settings: CommitSettings,
): Query<readonly AppendOutcome[]> {
  const { isOwnClock, maxEventsPerStream, maxStreams, announcement, requiresStandby } = settings;
  const now = Math.floor(settings.now);
  const { streamIds, batches, events } = columnsOf(requests, now);
  const retainedSince = requests.reduce((latest, { recordedSince }) => Math.max(latest, recordedSince), -Infinity);
  // The function is called with what the condition lets through, so not before it was looked at.
  const [when, ids] = requiresStandby
    ? [`(SELECT $1::text[] AS ids WHERE ${WAITS_FOR_STANDBY} OFFSET 0) AS wanted,`, 'wanted.ids']
    : ['', '$1'];
  return {
    writes: true,
    isPrepared: true,
    // Never later than the clock of the server, which is one for all, and never as what has expired. Nulls do not count.
    text: `SELECT outcomes, revisions, heads
      FROM ${when} (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS server,
        ${schema}.append(${ids}, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, greatest(least($12::bigint, server.now), $19::bigint),
          $13, $14, $15, $16, $17, $18)`,
    values: [
      streamIds,
      batches.streams,
      batches.begins,
      batches.sizes,
      batches.expectations,
      events.batches,
      events.ids,
      events.types,
      events.data,
      events.metadata,
      events.timestamps,
      isOwnClock ? now : null,
      timeOrNull(retainedSince),
      integerOrNull(maxEventsPerStream),
      integerOrNull(maxStreams),
      announcement?.channel ?? null,
      announcement?.sender ?? null,
      announcement?.mostStreams ?? null,
      retainedSince === Infinity ? null : timeOrNull(retainedSince),
    ],
    answer: (rows) => outcomesOf(rows, requests, settings),
  };
}

function columnsOf(requests: readonly AppendRequest[], now: number) {
  const streams = new Map<string, number>();
  const batches = {
    streams: [] as number[],
    begins: [] as number[],
    sizes: [] as number[],
    expectations: [] as number[],
  };
  const events = {
    batches: [] as number[],
    ids: [] as string[],
    types: [] as string[],
    data: [] as string[],
    metadata: [] as string[],
    timestamps: [] as number[],
  };
  for (const { streamId, events: batch, expectedRevision } of requests) {
    let stream = streams.get(streamId);
    if (stream === undefined) streams.set(streamId, (stream = streams.size + 1));
    batches.streams.push(stream);
    batches.begins.push(events.ids.length);
    batches.sizes.push(batch.length);
    batches.expectations.push(toNumber(expectedRevision));
    for (const { id, type, data, metadata, timestamp } of batch) {
      events.batches.push(batches.streams.length);
      events.ids.push(id ?? createEventId(now));
      events.types.push(type);
      events.data.push(data);
      events.metadata.push(metadata);
      events.timestamps.push(timestamp ?? now);
    }
  }
  return { streamIds: [...streams.keys()], batches, events };
}

function toNumber(expected: ExpectedRevision): number {
  switch (expected) {
    case ANY:
      return -1;
    case STREAM_EXISTS:
      return -2;
    case NO_STREAM:
      return 0;
    default:
      return expected;
  }
}

const NO_STANDBY =
  'commits do not wait for a standby, as requireSynchronousStandby demands: see synchronous_standby_names, ' +
  'synchronous_commit, and client_min_messages';

function outcomesOf(
  rows: readonly Row[],
  requests: readonly AppendRequest[],
  { maxEventsPerStream, maxStreams }: CommitSettings,
): AppendOutcome[] {
  if (rows.length === 0) throw new StorageUnavailableError('PostgreSQL', false, new Error(NO_STANDBY));
  const [outcomes, revisions, heads] = rows[0].map(integersOf);
  return requests.map(({ streamId, events, expectedRevision }, batch) => {
    const revision = revisions[batch];
    switch (outcomes[batch]) {
      case KEPT:
      case KEPT_BEFORE: {
        const repeated = outcomes[batch] === KEPT_BEFORE;
        return { firstPosition: revision + 1, globalPosition: heads[batch] + events.length, repeated };
      }
      case WRONG_REVISION:
        return new WrongExpectedRevisionError(streamId, expectedRevision, revision);
      case TOO_MANY_EVENTS:
        return new StreamLimitReachedError('maxEventsPerStream', maxEventsPerStream, streamId);
      case TOO_MANY_STREAMS:
        return new StreamLimitReachedError('maxStreams', maxStreams, streamId);
      case ASK_AGAIN:
        return 'ask again';
      default:
        throw new StorageFailedError('PostgreSQL', new Error(`append() answered ${outcomes[batch]}`));
    }
  });
}
