import { countEmptiedStreams } from './queries/count-emptied-streams.js';
import type { Log } from './queries/log.js';
import { globalPositionOf, recordedAt } from './queries/places.js';
import type { StreamRow } from './queries/streams.js';
import type { SqliteClient } from './sqlite-client.js';

// Neither positions nor global positions have gaps, and neither global positions nor recording times fall: halving finds them.

/** The global position of the first event that has neither been removed nor has expired; `head + 1` when there is none. */
export function firstKept(client: SqliteClient, { head, trimmedTo }: Log, recordedSince: number): number {
  if (recordedSince === -Infinity) return trimmedTo + 1;
  const isKept = (globalPosition: number): boolean => recordedAt(client, globalPosition) >= recordedSince;
  // Mostly nothing has expired, and the first look tells.
  if (trimmedTo === head || isKept(trimmedTo + 1)) return trimmedTo + 1;
  return firstThat(isKept, trimmedTo + 2, head + 1);
}

/** How many streams have an event that is kept, without the store's own. @param first what `firstKept` answered */
export function keptStreams(client: SqliteClient, { trimmedTo, streams }: Log, first: number): number {
  if (first === trimmedTo + 1) return streams;
  return streams - countEmptiedStreams(client, { first: trimmedTo + 1, last: first - 1 });
}

/** The position of the first event of a stream at `globalPosition` or after it; `revision + 1` when there is none. */
export function firstPositionFrom(client: SqliteClient, stream: StreamRow, globalPosition: number): number {
  const { number, revision, firstPosition } = stream;
  const isBehind = (position: number): boolean => globalPositionOf(client, number, position) >= globalPosition;
  if (firstPosition > revision || isBehind(firstPosition)) return firstPosition;
  return firstThat(isBehind, firstPosition + 1, revision + 1);
}

/** The first number from `low` on that fits, when all fit that come after it; `high` when none below it does. */
function firstThat(fits: (number: number) => boolean, low: number, high: number): number {
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
