import { isDeepStrictEqual } from 'node:util';
import type { RecordedEvent } from '../values/event.js';
import { takeSchemaVersion } from '../values/schema-version.js';
import type { EventToAppend } from '../ports/storage-engine.js';

/**
 * Whether an event that is kept is what this one would be if it were kept now: type, data, its version, metadata, and the
 * timestamp if it has one. What the store has added to its metadata is that of the call, and counts not.
 */
export function isSameEvent(
  kept: RecordedEvent,
  { id, type, data, metadata, timestamp, added = [] }: EventToAppend,
): boolean {
  return (
    kept.id === id &&
    kept.type === type &&
    (timestamp === undefined || kept.timestamp.getTime() === timestamp) &&
    isSameJson(kept.data, data) &&
    isSameMetadata(kept, metadata, added)
  );
}

function isSameMetadata(kept: RecordedEvent, text: string, added: readonly string[]): boolean {
  const metadata = JSON.parse(text || '{}') as Record<string, unknown>;
  if (takeSchemaVersion(metadata, text) !== kept.schemaVersion) return false;
  return isDeepStrictEqual(without(added, kept.metadata), without(added, metadata));
}

function isSameJson(kept: unknown, text: string): boolean {
  return JSON.stringify(kept) === text || isDeepStrictEqual(kept, JSON.parse(text));
}

function without(names: readonly string[], metadata: object): [string, unknown][] {
  return Object.entries(metadata)
    .filter(([name]) => !names.includes(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
