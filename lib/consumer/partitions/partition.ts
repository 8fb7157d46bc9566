/** The most partitions that a handler may have. */
export const MOST_PARTITIONS = 1_024;

/** The streams of a durable handler whose ids have a certain hash. */
export interface Partition {
  /** Names its checkpoint and its lease. */
  readonly name: string;
  /** From 0. */
  readonly number: number;
  has(streamId: string): boolean;
}

/** The partitions of a durable handler, by number. */
export function partitionsOf(durable: string, count: number): Partition[] {
  return Array.from({ length: count }, (_, number) => ({
    name: `${durable}/${number}`,
    number,
    has: (streamId) => partitionOf(streamId, count) === number,
  }));
}

/**
 * The number of the partition that a stream belongs to: the 32-bit FNV-1a hash of its id in UTF-8, modulo `count`. It is the
 * same in every process and every version, because checkpoints depend on it.
 */
export function partitionOf(streamId: string, count: number): number {
  return fnv1a(Buffer.from(streamId)) % count;
}

/** Fowler, Noll and Vo, draft-eastlake-fnv: an exclusive or with each byte, then a multiplication. */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
