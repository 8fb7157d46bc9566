import type { Checkpoint } from '../../store/values/checkpoint.js';
import { EventStoreError } from '../../store/values/errors.js';
import { BYTES_PER_EVENT, Chunk, EVENTS_PER_CHUNK } from '../chunk.js';
import type { DocumentEntry } from '../document-collections.js';
import { EventLog } from '../event-log.js';
import type { KeptState } from '../kept-state.js';
import { NameTable } from '../name-table.js';
import { StreamLog } from '../stream-log.js';
import { BlockKind } from './block-format.js';
import { BlockReader } from './block-reader.js';
import type { DiskFile } from './disk.js';
import { chunksAreWhole, isDocument, tablesMakeSense } from './snapshot-checks.js';
import { CHUNK_HEADER_BYTES, type SnapshotFacts, type StreamEntry, TEXT_BYTES_PER_BLOCK } from './snapshot-format.js';

export interface LoadedSnapshot {
  readonly state: KeptState;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/**
 * Reads a file that `writeSnapshot` wrote.
 *
 * What the checksums let pass is checked once more for sense: that all parts are there and fit to each other. So whatever
 * the file holds, the answer is the state that was written, or an error.
 *
 * @param location names the file in errors
 * @throws {SnapshotCorruptedError}
 * @throws {SnapshotUnsupportedError}
 * @throws {SnapshotDiskError}
 */
export async function readSnapshot(file: DiskFile, location: string): Promise<LoadedSnapshot> {
  const reader = await BlockReader.begin(file, location);
  try {
    return await readState(reader);
  } catch (error) {
    if (error instanceof EventStoreError || isOutOfMemory(error)) throw error;
    // Such as the SyntaxError of a text that is no JSON, or the RangeError of a length that is none.
    throw reader.damage('its content makes no sense', { cause: error });
  }
}

async function readState(reader: BlockReader): Promise<LoadedSnapshot> {
  const facts = parse(await reader.read(BlockKind.Facts)) as SnapshotFacts;
  const { head, trimmedTo, lastRecordedAt, seed, createdAt } = facts;
  const types = new NameTable();
  for (const name of await readTable<string>(reader, BlockKind.Types, facts.types)) types.numberOf(name);
  const entries = await readTable<StreamEntry>(reader, BlockKind.Streams, facts.streams);
  if (!tablesMakeSense(facts, types.names, entries)) throw reader.damage('its tables make no sense');
  const checkpoints = new Map(parse(await reader.read(BlockKind.Checkpoints)) as [string, Checkpoint][]);
  const documents = await readTable<DocumentEntry>(reader, BlockKind.Documents, facts.documents ?? 0);
  if (!documents.every(isDocument) || documents.length !== (facts.documents ?? 0)) {
    throw reader.damage('its documents make no sense');
  }
  const streams = entries.map(([streamId, , firstPosition], number) =>
    StreamLog.beginningAt(firstPosition, streamId, number),
  );
  const chunks: Chunk[] = [];
  while (chunks.length < facts.chunks) {
    const chunk = await readChunk(reader);
    indexEvents(reader, chunk, streams, facts);
    chunks.push(chunk);
  }
  await reader.end();
  if (!chunksAreWhole(facts, chunks)) throw reader.damage(`it lacks events between ${trimmedTo + 1} and ${head}`);
  for (const { streamId, revision, number } of streams) {
    if (revision !== entries[number][1]) throw reader.damage(`stream ${number} ("${streamId}") lacks events`);
  }
  const state = {
    log: EventLog.restored(chunks, head, trimmedTo),
    streams,
    types,
    checkpoints,
    documents,
    seed: Uint32Array.from(seed),
    lastRecordedAt: lastRecordedAt ?? -Infinity,
  };
  return { state, createdAt };
}

async function readTable<Entry>(reader: BlockReader, kind: BlockKind, length: number): Promise<Entry[]> {
  const table: Entry[] = [];
  while (table.length < length) {
    for (const entry of parse(await reader.read(kind)) as Entry[]) table.push(entry);
  }
  return table;
}

async function readChunk(reader: BlockReader): Promise<Chunk> {
  const block = await reader.read(BlockKind.Chunk);
  const count = block.readUInt32LE(8);
  const lengths = Array.from({ length: block.readUInt32LE(12) }, (_, index) =>
    block.readUInt32LE(CHUNK_HEADER_BYTES + 4 * index),
  );
  const columns = block.subarray(CHUNK_HEADER_BYTES + 4 * lengths.length);
  if (count > EVENTS_PER_CHUNK || columns.length !== count * BYTES_PER_EVENT)
    throw reader.damage('a chunk has no size');
  const segments: Buffer[] = [];
  for (const length of lengths) segments.push(await readTexts(reader, length));
  return Chunk.restored(block.readDoubleLE(0), count, columns, segments);
}

async function readTexts(reader: BlockReader, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let left = length; left > 0; left -= TEXT_BYTES_PER_BLOCK) {
    const piece = await reader.read(BlockKind.Texts);
    if (piece.length !== Math.min(left, TEXT_BYTES_PER_BLOCK)) throw reader.damage('a text has another length');
    pieces.push(piece);
  }
  return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
}

/** Gives the events of a chunk to their streams, and sees that each is the one which is due there. */
function indexEvents(reader: BlockReader, chunk: Chunk, streams: readonly StreamLog[], facts: SnapshotFacts): void {
  const firstKept = Math.max(0, facts.trimmedTo + 1 - chunk.firstGlobalPosition);
  for (let place = firstKept; place < chunk.count; place++) {
    const globalPosition = chunk.firstGlobalPosition + place;
    const position = streams[chunk.streams[place]].push(globalPosition);
    if (position !== chunk.positions[place] || chunk.types[place] >= facts.types || !chunk.hasTexts(place)) {
      throw reader.damage(`event ${globalPosition} does not fit to the others`);
    }
  }
}

/** Another computer, or a later try, may have the memory; the file is not to blame. */
function isOutOfMemory(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return ['ERR_MEMORY_ALLOCATION_FAILED', 'Z_MEM_ERROR'].includes(code) || /allocation failed/i.test(message);
}

function parse(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString('utf8'));
}
