import { createHash } from 'node:crypto';
import type { JsonValue, RecordedEvent } from '../store/event.js';
import { canonicalJson } from './canonical-json.js';

/** What ties a record to the one before it in its stream: in the metadata of its event, under `$audit`. */
export interface ChainLink {
  /** The position that the record was written at, from 1. */
  readonly position: number;
  /** The hash of the record before; `FIRST` when there was none. */
  readonly previousHash: string;
  /** SHA-256 over the record, its place and `previousHash`, in hexadecimal. */
  readonly hash: string;
}

/** What stands in the place of the hash before the first record. */
export const FIRST = '0'.repeat(64);

/** What is hashed of an event. */
export type Chained = Pick<RecordedEvent, 'id' | 'type' | 'timestamp' | 'data' | 'streamId'>;

export function linkOf(event: Chained, position: number, previousHash: string): ChainLink {
  return { position, previousHash, hash: hashOf(event, position, previousHash) };
}

export function hashOf(
  { streamId, id, type, timestamp, data }: Chained,
  position: number,
  previousHash: string,
): string {
  const record = { streamId, position, previousHash, id, type, timestamp: timestamp.toISOString(), data };
  return createHash('sha256').update(canonicalJson(record)).digest('hex');
}

export function metadataWith(link: ChainLink): Record<string, JsonValue> {
  return { $audit: { ...link } };
}

/** The link that an event has, whatever is in it; undefined when it has none. */
export function linkIn({ metadata }: RecordedEvent): Partial<ChainLink> | undefined {
  const link = metadata.$audit;
  return typeof link === 'object' && link !== null ? (link as Partial<ChainLink>) : undefined;
}
