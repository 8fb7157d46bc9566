import type { StreamEnd } from '../../store/ports/storage-engine.js';
import type { SqliteClient } from '../sqlite-client.js';
import { idInStream } from './places.js';

/** A stream, as far as it does not follow from its events. */
export interface StreamRow {
  readonly number: number;
  /** The position of its last event ever. */
  readonly revision: number;
  /** The position of its first event that was not removed; `revision + 1` when none is left. */
  readonly firstPosition: number;
}

export function findStream(client: SqliteClient, streamId: string): StreamRow | undefined {
  return client.get<StreamRow>(
    'SELECT number, revision, first_position AS "firstPosition" FROM streams WHERE stream_id = ?',
    streamId,
  );
}

/** @returns its number */
export function insertStream(client: SqliteClient, streamId: string): number {
  return client.get<{ number: number }>(
    'INSERT INTO streams (stream_id, revision, first_position, last_global_position) VALUES (?, 0, 1, 0) RETURNING number',
    streamId,
  )!.number;
}

/** Says where a stream's last event is. */
export function updateStreamEnd(client: SqliteClient, stream: number, revision: number, globalPosition: number): void {
  client.run(
    'UPDATE streams SET revision = ?, last_global_position = ? WHERE number = ?',
    revision,
    globalPosition,
    stream,
  );
}

/** Where a stream ends; undefined when it never was. */
export function streamEnd(client: SqliteClient, streamId: string): StreamEnd | undefined {
  const stream = findStream(client, streamId);
  if (!stream) return undefined;
  const { number, revision } = stream;
  return { streamId, revision, lastId: idInStream(client, number, revision) };
}
