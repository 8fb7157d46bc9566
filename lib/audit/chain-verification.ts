import { StreamNotFoundError } from '../store/errors.js';
import type { EventStore } from '../store/event-store.js';
import type { RecordedEvent } from '../store/event.js';
import type { StreamInfo } from '../store/stream-info.js';
import { FIRST, hashOf, linkIn } from './hash-chain.js';

const RECORDS_AT_A_TIME = 1_000;

/** The last record of a stream when it was verified. Kept somewhere else, it shows later that nothing was cut off. */
export interface AuditHead {
  readonly streamId: string;
  /** From 1. */
  readonly position: number;
  readonly hash: string;
}

/** The first thing that is not as it was written. */
export interface AuditProblem {
  /**
   * `altered`: a record was changed, or put there by somebody else. `missing`: one was taken out, or put in the place of
   * another. `reordered`: it was written at another position.
   */
  readonly kind: 'altered' | 'missing' | 'reordered';
  readonly streamId: string;
  /** The position of the record, from 1; of a missing one, where it should be. */
  readonly position: number;
  /** The id of the event that is there; undefined when none is. */
  readonly id?: string;
  readonly reason: string;
}

export interface AuditVerification {
  /** Whether all that was looked at is as it was written. */
  readonly isIntact: boolean;
  /** How many records were found to be as they were written. */
  readonly verified: number;
  /** How many records were written before the hash chain was switched on, so that nothing can be said of them. */
  readonly unchained: number;
  readonly problem: AuditProblem | undefined;
  /** Where each stream ends that is intact. */
  readonly heads: readonly AuditHead[];
}

/** Verifies streams one after the other, up to the first problem. @param known heads of an earlier verification */
export async function verifyStreams(
  store: EventStore,
  streamIds: readonly string[],
  known: readonly AuditHead[],
): Promise<AuditVerification> {
  const heads: AuditHead[] = [];
  let verified = 0;
  let unchained = 0;
  for (const streamId of streamIds) {
    const walk = new ChainWalk(streamId, known);
    const problem = await walk.verify(store);
    verified += walk.verified;
    unchained += walk.unchained;
    if (problem) return { isIntact: false, verified, unchained, problem, heads };
    if (walk.head) heads.push(walk.head);
  }
  return { isIntact: true, verified, unchained, problem: undefined, heads };
}

/** Goes through one stream from its first record. */
class ChainWalk {
  verified = 0;
  unchained = 0;
  head: AuditHead | undefined;
  /** The positions of the records that must be there, and their hashes. */
  readonly #known: Map<number, string>;

  constructor(
    private readonly streamId: string,
    known: readonly AuditHead[],
  ) {
    const here = known.filter((head) => head.streamId === streamId);
    this.#known = new Map(here.map(({ position, hash }) => [position, hash]));
  }

  async verify(store: EventStore): Promise<AuditProblem | undefined> {
    const info = await infoOf(store, this.streamId);
    if (!info) return { kind: 'missing', streamId: this.streamId, position: 1, reason: 'there is no such stream' };
    const { firstPosition, lastPosition, eventCount } = info;
    let next = eventCount === 0 ? lastPosition + 1 : firstPosition;
    for (;;) {
      const { events: records } = await store.read(this.streamId, next - 1, RECORDS_AT_A_TIME);
      if (records.length === 0) break;
      for (const record of records) {
        const problem = this.#problemOf(record, next, firstPosition, records);
        if (problem) return { streamId: this.streamId, ...problem };
        next++;
      }
    }
    const cutOff = [...this.#known.keys()].filter((position) => position >= next || position > lastPosition);
    if (next > lastPosition && cutOff.length === 0) return undefined;
    return { kind: 'missing', streamId: this.streamId, position: next, reason: 'the stream was longer once' };
  }

  #problemOf(
    record: RecordedEvent,
    position: number,
    firstPosition: number,
    page: readonly RecordedEvent[],
  ): Omit<AuditProblem, 'streamId'> | undefined {
    const { id } = record;
    if (record.position !== position) {
      const isLater = page.some((other) => other.position === position);
      if (isLater) return { kind: 'reordered', position, id, reason: `it has position ${record.position}` };
      return { kind: 'missing', position, reason: `after it comes position ${record.position}` };
    }
    const link = linkIn(record);
    if (!link && !this.head) {
      this.unchained++;
      return undefined;
    }
    const { position: writtenAt, previousHash, hash } = link ?? {};
    if (typeof writtenAt !== 'number' || typeof previousHash !== 'string')
      return { kind: 'altered', position, id, reason: 'it has no hash of the one before' };
    if (hashOf(record, writtenAt, previousHash) !== hash)
      return { kind: 'altered', position, id, reason: 'its content does not fit its hash' };
    if (writtenAt !== position) return { kind: 'reordered', position, id, reason: `it was written at ${writtenAt}` };
    // Of what retention has removed, only the hash is left.
    const isFirstKept = position === firstPosition && firstPosition > 1;
    if (!isFirstKept && previousHash !== (this.head?.hash ?? FIRST))
      return { kind: 'missing', position, id, reason: 'it was written after another record than the one before it' };
    const known = this.#known.get(position);
    if (known !== undefined && known !== hash)
      return { kind: 'altered', position, id, reason: 'another record was there when it was verified before' };
    this.head = { streamId: this.streamId, position, hash };
    this.verified++;
    return undefined;
  }
}

async function infoOf(store: EventStore, streamId: string): Promise<StreamInfo | undefined> {
  try {
    return await store.getStreamInfo(streamId);
  } catch (error) {
    if (error instanceof StreamNotFoundError) return undefined;
    throw error;
  }
}
