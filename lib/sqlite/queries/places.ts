import { StorageCorruptedError } from '../../store/values/errors.js';
import type { SqliteClient } from '../sqlite-client.js';

/** When the event at a global position was recorded. @throws {StorageCorruptedError} when it is missing */
export function recordedAt(client: SqliteClient, globalPosition: number): number {
  const row = client.get<{ recordedAt: number }>(
    'SELECT recorded_at AS "recordedAt" FROM events WHERE global_position = ?',
    globalPosition,
  );
  if (row) return row.recordedAt;
  throw new StorageCorruptedError(client.storage, `the event at global position ${globalPosition} is missing`);
}

/** Which event lies at a global position; undefined when there is none, or it was removed. */
export function idAt(client: SqliteClient, globalPosition: number): string | undefined {
  if (!Number.isFinite(globalPosition)) return undefined;
  return client.get<{ id: string }>('SELECT id FROM events WHERE global_position = ?', globalPosition)?.id;
}

/** Which event lies at a position of a stream; undefined when there is none, or it was removed. */
export function idInStream(client: SqliteClient, stream: number, position: number): string | undefined {
  if (!Number.isFinite(position)) return undefined;
  return client.get<{ id: string }>('SELECT id FROM events WHERE stream = ? AND position = ?', stream, position)?.id;
}

/** Where the event of a stream lies in the log. @throws {StorageCorruptedError} when it is missing */
export function globalPositionOf(client: SqliteClient, stream: number, position: number): number {
  const row = client.get<{ globalPosition: number }>(
    'SELECT global_position AS "globalPosition" FROM events WHERE stream = ? AND position = ?',
    stream,
    position,
  );
  if (row) return row.globalPosition;
  throw new StorageCorruptedError(client.storage, `the event at position ${position} of stream ${stream} is missing`);
}
