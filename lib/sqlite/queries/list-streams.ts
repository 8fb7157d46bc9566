import type { ListStreamsRequest } from '../../store/ports/storage-engine.js';
import type { StreamInfo } from '../../store/values/stream-info.js';
import type { SqliteClient } from '../sqlite-client.js';

interface Row {
  readonly streamId: string;
  readonly revision: number;
  /** Null when no event is kept. */
  readonly firstPosition: number | null;
  readonly firstEvent: number | null;
  readonly lastEvent: number | null;
}

const ROWS = `
  SELECT s.stream_id AS "streamId", s.revision, first.position AS "firstPosition", first.timestamp AS "firstEvent",
    (SELECT last.timestamp FROM events last WHERE last.stream = s.number AND last.position = s.revision) AS "lastEvent"
  FROM streams s
  LEFT JOIN events first ON first.stream = s.number AND first.position = (
    SELECT kept.position FROM events kept
    WHERE kept.stream = s.number AND kept.position >= s.first_position AND kept.global_position >= ?
    ORDER BY kept.position LIMIT 1
  )`;

// A byte that no text in UTF-8 has comes after all that a prefix can be followed by.
const WITH_PREFIX = `
  ${ROWS}
  WHERE s.last_global_position >= ? AND s.stream_id >= ? AND s.stream_id < ? || x'ff' AND s.stream_id > ?
  ORDER BY s.stream_id LIMIT ?`;

const ALL = `
  ${ROWS}
  WHERE s.last_global_position >= ? AND substr(s.stream_id, 1, 1) <> '$' AND s.stream_id > ?
  ORDER BY s.stream_id LIMIT ?`;

const ONE = `${ROWS} WHERE s.stream_id = ?`;

/** @param firstKept the global position of the first event that is kept */
export function listStreams(
  client: SqliteClient,
  { streamId, prefix, after, limit }: ListStreamsRequest,
  firstKept: number,
): StreamInfo[] {
  // A negative limit is none (SQLite, "The LIMIT clause").
  const most = limit === Infinity ? -1 : limit;
  const rows =
    streamId !== undefined
      ? client.all<Row>(ONE, firstKept, streamId)
      : prefix === ''
        ? client.all<Row>(ALL, firstKept, firstKept, after, most)
        : client.all<Row>(WITH_PREFIX, firstKept, firstKept, prefix, prefix, after, most);
  return rows.map(toInfo);
}

function toInfo({ streamId, revision, firstPosition, firstEvent, lastEvent }: Row): StreamInfo {
  const isEmpty = firstPosition === null;
  const first = firstPosition ?? revision + 1;
  return {
    streamId,
    eventCount: revision - first + 1,
    firstEvent: isEmpty ? null : new Date(firstEvent!),
    lastEvent: isEmpty ? null : new Date(lastEvent!),
    firstPosition: first,
    lastPosition: revision,
  };
}
