import type { ChunkCut } from '../chunk.js';
import type { DocumentEntry } from '../document-collections.js';
import type { StateCut } from '../kept-state.js';
import { BlockKind } from './block-format.js';
import { BlockWriter } from './block-writer.js';
import type { SnapshotCompression } from './compression.js';
import type { DiskFile } from './disk.js';
import {
  CHUNK_HEADER_BYTES,
  ENTRIES_PER_BLOCK,
  type SnapshotFacts,
  type StreamEntry,
  TEXT_BYTES_PER_BLOCK,
} from './snapshot-format.js';

/**
 * Writes what was kept at one moment as a file, block by block, and gives the event loop back with each.
 *
 * @param about the id of the snapshot and what else is not part of the cut
 * @returns how many bytes the file has
 */
export async function writeSnapshot(
  file: DiskFile,
  cut: StateCut,
  about: Pick<SnapshotFacts, 'id' | 'createdAt' | 'storeName'>,
  compression: SnapshotCompression,
): Promise<number> {
  const writer = await BlockWriter.begin(file, compression);
  const facts: SnapshotFacts = {
    ...about,
    head: cut.head,
    trimmedTo: cut.trimmedTo,
    lastRecordedAt: cut.lastRecordedAt === -Infinity ? null : cut.lastRecordedAt,
    seed: cut.seed,
    types: cut.types.length,
    streams: cut.streams.length,
    chunks: cut.chunks.length,
    ...(cut.documents.length > 0 && { documents: cut.documents.length }),
  };
  await writer.write(BlockKind.Facts, [json(facts)]);
  for (let first = 0; first < cut.types.length; first += ENTRIES_PER_BLOCK) {
    await writer.write(BlockKind.Types, [json(cut.types.slice(first, first + ENTRIES_PER_BLOCK))]);
  }
  for (let first = 0; first < cut.streams.length; first += ENTRIES_PER_BLOCK) {
    await writer.write(BlockKind.Streams, [json(streamEntries(cut, first))]);
  }
  await writer.write(BlockKind.Checkpoints, [json(cut.checkpoints)]);
  for (const documents of inPieces(cut.documents)) await writer.write(BlockKind.Documents, [json(documents)]);
  for (const chunk of cut.chunks) await writeChunk(writer, chunk);
  return writer.end();
}

/** As many as fit into a block, so that none keeps the event loop for long. */
function* inPieces(documents: readonly DocumentEntry[]): Generator<readonly DocumentEntry[]> {
  let first = 0;
  let length = 0;
  for (const [index, [collection, key, document]] of documents.entries()) {
    length += collection.length + key.length + document.length;
    if (length < TEXT_BYTES_PER_BLOCK && index - first < ENTRIES_PER_BLOCK) continue;
    yield documents.slice(first, index + 1);
    first = index + 1;
    length = 0;
  }
  if (first < documents.length) yield documents.slice(first);
}

function streamEntries(cut: StateCut, first: number): StreamEntry[] {
  return cut.streams
    .slice(first, first + ENTRIES_PER_BLOCK)
    .map(({ streamId }, index) => [streamId, cut.revisions[first + index], cut.firstPositions[first + index]]);
}

async function writeChunk(writer: BlockWriter, chunk: ChunkCut): Promise<void> {
  const { firstGlobalPosition, count, segments } = chunk;
  const header = Buffer.alloc(CHUNK_HEADER_BYTES + 4 * segments.length);
  header.writeDoubleLE(firstGlobalPosition, 0);
  header.writeUInt32LE(count, 8);
  header.writeUInt32LE(segments.length, 12);
  segments.forEach(({ byteLength }, index) => header.writeUInt32LE(byteLength, CHUNK_HEADER_BYTES + 4 * index));
  await writer.write(BlockKind.Chunk, [header, ...chunk.columns()]);
  for (const segment of segments) {
    for (let from = 0; from < segment.byteLength; from += TEXT_BYTES_PER_BLOCK) {
      await writer.write(BlockKind.Texts, [segment.subarray(from, from + TEXT_BYTES_PER_BLOCK)]);
    }
  }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
