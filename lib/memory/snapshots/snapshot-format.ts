// A snapshot has, in this order: one block of facts; the table of types; the table of streams; the checkpoints; the documents; for each
// chunk one block with its columns and as many with its texts as they take; the end. Tables take as many blocks as they
// need. All but columns and texts is JSON.

/** Texts are written in pieces, so that a checksum or a compression never keeps the event loop for long. */
export const TEXT_BYTES_PER_BLOCK = 1_024 * 1_024;

/** How many entries of a table one block takes, for the same reason. */
export const ENTRIES_PER_BLOCK = 4_096;

/**
 * What lies before the columns in the block of a chunk: its first global position (8 bytes), how many events it has (4), how
 * many segments of text (4). Behind these comes the length of each segment (4).
 */
export const CHUNK_HEADER_BYTES = 16;

/** What the first block says. */
export interface SnapshotFacts {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly storeName: string;
  readonly head: number;
  readonly trimmedTo: number;
  /** Milliseconds since 1970; null before the first event. */
  readonly lastRecordedAt: number | null;
  readonly seed: readonly number[];
  /** How many entries the tables have, and how many chunks follow. */
  readonly types: number;
  readonly streams: number;
  readonly chunks: number;
  /** How many documents there are; left out for none, as in snapshots of earlier versions. */
  readonly documents?: number;
}

/** An entry of the table of streams. */
export type StreamEntry = readonly [streamId: string, revision: number, firstPosition: number];
