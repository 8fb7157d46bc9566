import type { SqliteClient } from '../sqlite-client.js';

/** What is true of the whole log. */
export interface Log {
  /** The global position of the last event there ever was; 0 before the first. */
  head: number;
  /** When it was recorded, in milliseconds since 1970; null before the first. */
  recordedAt: number | null;
  /** The global position of the last event that was removed; 0 when none was. */
  trimmedTo: number;
  /** How many streams hold events that were not removed, without the store's own. */
  streams: number;
  /** Rises with everything that a snapshot would keep. */
  changes: number;
}

export function loadLog(client: SqliteClient): Log {
  return client.get<Log>(
    `SELECT head, recorded_at AS "recordedAt", trimmed_to AS "trimmedTo", streams, changes FROM log`,
  )!;
}

export function saveLog(client: SqliteClient, { head, recordedAt, trimmedTo, streams, changes }: Log): void {
  client.run(
    'UPDATE log SET head = ?, recorded_at = ?, trimmed_to = ?, streams = ?, changes = ?',
    head,
    recordedAt,
    trimmedTo,
    streams,
    changes,
  );
}
