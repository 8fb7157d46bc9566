import type { EventRow } from '../../store/values/recorded-event.js';
import type { SqliteClient } from '../sqlite-client.js';

export function insertEvent(client: SqliteClient, stream: number, event: Omit<EventRow, 'streamId'>): void {
  client.run(
    'INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    event.globalPosition,
    stream,
    event.position,
    event.id,
    event.type,
    event.data,
    event.metadata,
    event.timestamp,
    event.recordedAt,
  );
}
