import type { RecordedEvent } from '../../store/values/event.js';
import { recordedEvent } from '../../store/values/recorded-event.js';
import type { Row } from '../postgres-client.js';

/** What `toEvent` needs of the table of events, named `e`. A null takes no time to send and to read. */
export const EVENT_COLUMNS = `e.global_position, e.position, e.id, e.type, e.data, nullif(e.metadata, '') AS metadata,
  e.timestamp, nullif(e.recorded_at, e.timestamp) AS recorded_at`;

/** @param at which column of the row is the first of EVENT_COLUMNS, from 0 */
export function toEvent(streamId: string, row: Row, at: number): RecordedEvent {
  const timestamp = Number(row[at + 6]);
  const recordedAt = row[at + 7];
  return recordedEvent({
    globalPosition: Number(row[at]),
    streamId,
    position: Number(row[at + 1]),
    id: row[at + 2]!,
    type: row[at + 3]!,
    data: row[at + 4]!,
    metadata: row[at + 5] ?? '',
    timestamp,
    recordedAt: recordedAt === null ? timestamp : Number(recordedAt),
  });
}
