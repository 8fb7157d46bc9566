import type { Checkpoint } from '../store/values/checkpoint.js';
import type { ChunkCut } from './chunk.js';
import type { DocumentEntry } from './document-collections.js';
import type { EventLog } from './event-log.js';
import type { NameTable } from './name-table.js';
import type { StreamLog } from './stream-log.js';

/** All that a store in memory keeps. What else there is in memory can be made anew from it. */
export interface KeptState {
  readonly log: EventLog;
  readonly streams: readonly StreamLog[];
  readonly types: NameTable;
  readonly checkpoints: ReadonlyMap<string, Checkpoint>;
  readonly documents: Iterable<DocumentEntry>;
  /** What the ids are derived from that the store gives. */
  readonly seed: Uint32Array;
  /** Milliseconds since 1970; -Infinity before the first event. */
  readonly lastRecordedAt: number;
}

/** What was kept at one moment. It does not change while appends go on. */
export interface StateCut {
  readonly head: number;
  readonly trimmedTo: number;
  readonly lastRecordedAt: number;
  readonly seed: readonly number[];
  readonly chunks: readonly ChunkCut[];
  readonly types: readonly string[];
  /** Of these only the ids are as they were. */
  readonly streams: readonly StreamLog[];
  readonly revisions: Float64Array;
  readonly firstPositions: Float64Array;
  readonly checkpoints: readonly (readonly [name: string, checkpoint: Checkpoint])[];
  readonly documents: readonly DocumentEntry[];
}

/**
 * Cuts at this moment.
 *
 * The events are not copied: what is in a chunk stays there, and appends write behind it. What does change, where streams
 * begin and end, is two numbers for each.
 */
export function cutOf({ log, streams, types, checkpoints, documents, seed, lastRecordedAt }: KeptState): StateCut {
  const revisions = new Float64Array(streams.length);
  const firstPositions = new Float64Array(streams.length);
  for (let number = 0; number < streams.length; number++) {
    revisions[number] = streams[number].revision;
    firstPositions[number] = streams[number].firstPosition;
  }
  return {
    head: log.head,
    trimmedTo: log.trimmedTo,
    lastRecordedAt,
    seed: [...seed],
    chunks: log.chunks.map((chunk) => chunk.cut()),
    types: [...types.names],
    streams: [...streams],
    revisions,
    firstPositions,
    checkpoints: [...checkpoints],
    documents: [...documents],
  };
}
