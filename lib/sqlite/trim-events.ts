import type { TrimRequest } from '../store/ports/storage-engine.js';
import { firstKept } from './first-kept.js';
import { countEmptiedStreams } from './queries/count-emptied-streams.js';
import type { Log } from './queries/log.js';
import { removeEvents } from './queries/remove-events.js';
import type { SqliteClient } from './sqlite-client.js';

/** No more are removed at once: the event loop stands still meanwhile. */
export const MOST_EVENTS_TRIMMED = 5_000;

/** Removes the oldest events, in a transaction that others may share. @returns how many */
export function trimEvents(client: SqliteClient, log: Log, { recordedBefore, upTo, limit }: TrimRequest): number {
  const first = log.trimmedTo + 1;
  const last = Math.min(
    log.trimmedTo + Math.min(limit, MOST_EVENTS_TRIMMED),
    upTo,
    firstKept(client, log, recordedBefore) - 1,
  );
  if (last < first) return 0;
  log.streams -= countEmptiedStreams(client, { first, last });
  removeEvents(client, { first, last });
  log.trimmedTo = last;
  log.changes++;
  return last - first + 1;
}
