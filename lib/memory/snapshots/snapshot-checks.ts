import { type Chunk, EVENTS_PER_CHUNK } from '../chunk.js';
import type { DocumentEntry } from '../document-collections.js';
import type { SnapshotFacts, StreamEntry } from './snapshot-format.js';

/** Whether the tables are as long as the facts say, and hold nothing that no store could have written. */
export function tablesMakeSense(
  facts: SnapshotFacts,
  types: readonly unknown[],
  streams: readonly StreamEntry[],
): boolean {
  const { seed, createdAt, lastRecordedAt } = facts;
  return (
    types.length === facts.types &&
    streams.length === facts.streams &&
    types.every((name) => typeof name === 'string') &&
    streams.every(isStream) &&
    new Set(streams.map(([streamId]) => streamId)).size === streams.length &&
    seed.length === 3 &&
    seed.every((bits) => bits === bits >>> 0) &&
    Number.isFinite(createdAt) &&
    (lastRecordedAt === null || Number.isFinite(lastRecordedAt))
  );
}

function isStream([streamId, revision, firstPosition]: StreamEntry): boolean {
  return (
    typeof streamId === 'string' && isCount(revision) && isCount(firstPosition - 1) && firstPosition <= revision + 1
  );
}

/** Whether a document is one that a store could have written. */
export function isDocument(entry: DocumentEntry): boolean {
  return Array.isArray(entry) && entry.length === 3 && entry.every((text) => typeof text === 'string');
}

/** Whether the chunks follow each other and hold all events from the first that was not removed up to the head. */
export function chunksAreWhole({ head, trimmedTo }: SnapshotFacts, chunks: readonly Chunk[]): boolean {
  if (!isCount(head) || !isCount(trimmedTo) || trimmedTo > head) return false;
  const [first, last] = [chunks[0], chunks.at(-1)];
  if (!first || !last) return trimmedTo === head && head % EVENTS_PER_CHUNK === 0;
  if ((first.firstGlobalPosition - 1) % EVENTS_PER_CHUNK !== 0 || first.firstGlobalPosition > trimmedTo + 1)
    return false;
  if (last.lastGlobalPosition !== head) return false;
  return chunks.every((chunk, index) => {
    if (index === 0) return true;
    const before = chunks[index - 1];
    return before.isFull && chunk.firstGlobalPosition === before.lastGlobalPosition + 1;
  });
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
