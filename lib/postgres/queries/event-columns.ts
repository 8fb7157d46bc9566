import type { RecordedEvent } from '../../store/event.js';
import { recordedEvent } from '../../store/recorded-event.js';
import type { Row } from '../postgres-client.js';

/** What `toEvent` needs of the table of events, named `e`. */
export const EVENT_COLUMNS =
  'e.global_position, e.stream_id, e.position, e.id, e.type, e.data, e.metadata, e.timestamp, e.recorded_at';

/** @param at which column of the row is the first of EVENT_COLUMNS, from 0 */
export function toEvent(row: Row, at: number): RecordedEvent {
  return recordedEvent({
    globalPosition: Number(row[at]),
    streamId: row[at + 1]!,
    position: Number(row[at + 2]),
    id: row[at + 3]!,
    type: row[at + 4]!,
    data: row[at + 5]!,
    metadata: row[at + 6]!,
    timestamp: Number(row[at + 7]),
    recordedAt: Number(row[at + 8]),
  });
}
