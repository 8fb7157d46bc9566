import { createHash } from 'node:crypto';
import type { JsonValue, RecordedEvent } from '../store/values/event.js';
import { canonicalJson } from './canonical-json.js';

/** What ties a record to the one before it: in the metadata of its event, under `$audit`. */
export interface ChainLink {
  /** The position that the record was written at, from 1. */
  readonly position: number;
  /**
   * The hash of the record before in its stream; of the first of a stream, that of the last record of the stream before.
   * `FIRST` when there was none.
   */
  readonly previousHash: string;
  /** SHA-256 over the record, its place, and what is known of the record before, in hexadecimal. */
  readonly hash: string;
  /** Where the record before stands, when that is another stream. */
  readonly previousStream?: RecordPlace;
  /** When the record before was recorded; left out where the id of its stream tells the day. */
  readonly previousAt?: string;
}

export interface RecordPlace {
  readonly streamId: string;
  /** From 1. */
  readonly position: number;
}

/** What is known of the record before besides its hash. */
export type WhereBefore = Pick<ChainLink, 'previousStream' | 'previousAt'>;

/** What stands in the place of the hash before the first record. */
export const FIRST = '0'.repeat(64);

/** What is hashed of an event. */
export type Chained = Pick<RecordedEvent, 'id' | 'type' | 'timestamp' | 'data' | 'streamId'>;

export function linkOf(event: Chained, position: number, previousHash: string, before: WhereBefore = {}): ChainLink {
  return { position, previousHash, ...before, hash: hashOf(event, position, previousHash, before) };
}

export function hashOf(
  { streamId, id, type, timestamp, data }: Chained,
  position: number,
  previousHash: string,
  { previousStream, previousAt }: WhereBefore = {},
): string {
  // Members that are undefined do not count, and neither does what else a link may hold.
  const about = {
    streamId,
    position,
    previousHash,
    previousStream: previousStream && { ...previousStream },
    previousAt,
  };
  const record = { ...about, id, type, timestamp: timestamp.toISOString(), data };
  return createHash('sha256').update(canonicalJson(record)).digest('hex');
}

/** @param added by the tracing of the application, which may say nothing under our name */
export function metadataWith(
  link: ChainLink,
  added?: Readonly<Record<string, JsonValue>>,
): Readonly<Record<string, JsonValue>> {
  return { ...added, $audit: { ...link } as unknown as JsonValue };
}

/** The link that an event has, whatever is in it; undefined when it has none. */
export function linkIn({ metadata }: Pick<RecordedEvent, 'metadata'>): Partial<ChainLink> | undefined {
  const link = (metadata as RecordedEvent['metadata'] | null)?.$audit;
  return typeof link === 'object' && link !== null ? (link as Partial<ChainLink>) : undefined;
}

/** The link of an event that fits it; undefined when it has none, or when one of the two was changed. */
export function fittingLinkIn(event: RecordedEvent): ChainLink | undefined {
  const link = linkIn(event);
  return link && isWhole(link) && hashOf(event, link.position, link.previousHash, link) === link.hash
    ? link
    : undefined;
}

/** Whether a link has all it must have, and nothing is of another type. */
export function isWhole(link: Partial<ChainLink>): link is ChainLink {
  const { position, previousHash, previousStream, previousAt } = link;
  if (typeof position !== 'number' || typeof previousHash !== 'string') return false;
  if (previousAt !== undefined && typeof previousAt !== 'string') return false;
  if (previousStream === undefined) return true;
  return typeof previousStream?.streamId === 'string' && Number.isSafeInteger(previousStream.position);
}
