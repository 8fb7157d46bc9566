import { messageOf } from '../store/values/error-text.js';
import { StorageCorruptedError, StreamNotFoundError } from '../store/values/errors.js';
import type { EventStore } from '../store/event-store.js';
import type { RecordedEvent } from '../store/values/event.js';
import type { StreamInfo } from '../store/values/stream-info.js';
import { FIRST, fittingLinkIn, hashOf, isWhole, linkIn } from './hash-chain.js';
import { beginningOf } from './trail-streams.js';

const RECORDS_AT_A_TIME = 1_000;

/** How far the clocks of those who write, trim and verify may be apart. */
const CLOCK_DIFFERENCE_MS = 60_000;

/** The last record of a stream when it was verified. Kept somewhere else, it shows later that nothing was cut off. */
export interface AuditHead {
  readonly streamId: string;
  /** From 1. */
  readonly position: number;
  readonly hash: string;
  /** When it was recorded, in ISO 8601; left out where the id of the stream tells the day. */
  readonly recordedAt?: string;
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

/** A record that must be there. */
interface Expected {
  readonly position: number;
  readonly hash: string;
  /** When it was recorded, in milliseconds since 1970, if that is known. */
  readonly at: number | undefined;
  /** Who says so, in words. */
  readonly by: string;
}

/** Verifies streams one after the other, up to the first problem. */
export class ChainVerification {
  readonly #expected = new Map<string, Expected[]>();

  /** @param known heads of an earlier verification */
  constructor(
    private readonly store: EventStore,
    known: readonly AuditHead[],
  ) {
    for (const { streamId, position, hash, recordedAt } of known) {
      const at = recordedAt === undefined ? undefined : new Date(recordedAt).getTime();
      this.#expect(streamId, { position, hash, at, by: 'it was verified before' });
    }
  }

  /** Verifies a whole trail: also that no stream is missing that another one, or a known head, tells of. */
  async ofTrail(streamIds: readonly string[]): Promise<AuditVerification> {
    const found = new Set([...streamIds, ...this.#expected.keys()]);
    // Those that are added are looked at as well.
    for (const streamId of found) {
      const before = await this.#streamBefore(streamId);
      if (before !== undefined) found.add(before);
    }
    return this.ofStreams([...found].sort());
  }

  async ofStreams(streamIds: readonly string[]): Promise<AuditVerification> {
    const heads: AuditHead[] = [];
    let verified = 0;
    let unchained = 0;
    for (const streamId of streamIds) {
      const walk = new ChainWalk(this.store, streamId, this.#expected.get(streamId) ?? []);
      const problem = await walk.verify();
      verified += walk.verified;
      unchained += walk.unchained;
      if (problem) return { isIntact: false, verified, unchained, problem: { streamId, ...problem }, heads };
      if (walk.head) heads.push(walk.head);
    }
    return { isIntact: true, verified, unchained, problem: undefined, heads };
  }

  /** The stream that the first record of another one comes after. The record that it names must be there. */
  async #streamBefore(streamId: string): Promise<string | undefined> {
    const { records } = await readOn(this.store, streamId, 0, 1);
    const link = records.length === 0 ? undefined : fittingLinkIn(records[0]);
    if (records[0]?.position !== 1 || !link?.previousStream) return undefined;
    const { previousStream, previousHash, previousAt } = link;
    const at = previousAt === undefined ? undefined : Date.parse(previousAt);
    const by = `stream "${streamId}" began`;
    this.#expect(previousStream.streamId, { position: previousStream.position, hash: previousHash, at, by });
    return previousStream.streamId;
  }

  #expect(streamId: string, expected: Expected): void {
    const there = this.#expected.get(streamId) ?? [];
    this.#expected.set(streamId, [...there, expected]);
  }
}

type Problem = Omit<AuditProblem, 'streamId'>;

/** Goes through one stream from its first record. */
class ChainWalk {
  verified = 0;
  unchained = 0;
  head: AuditHead | undefined;
  readonly #missed: Set<Expected>;

  constructor(
    private readonly store: EventStore,
    private readonly streamId: string,
    private readonly expected: readonly Expected[],
  ) {
    this.#missed = new Set(expected);
  }

  async verify(): Promise<Problem | undefined> {
    const info = await infoOf(this.store, this.streamId);
    if (!info) return { kind: 'missing', position: 1, reason: 'there is no such stream' };
    let first = 1;
    let next = 1;
    for (;;) {
      const { records, problem } = await readOn(this.store, this.streamId, next - 1, RECORDS_AT_A_TIME);
      if (problem) return problem;
      if (records.length === 0) break;
      if (next === 1) {
        first = records.reduce((lowest, { position }) => Math.min(lowest, position), Infinity);
        const missing = this.#missingBefore(first, records);
        if (missing) return missing;
        next = first;
      }
      for (const record of records) {
        const found = this.#problemOf(record, next, first, records);
        if (found) return found;
        next++;
      }
    }
    return this.#missingFrom(next, info);
  }

  /** What is wrong when a stream begins later than at 1. */
  #missingBefore(first: number, records: readonly RecordedEvent[]): Problem | undefined {
    if (first === 1) return undefined;
    const record = records.find(({ position }) => position === first);
    const link = record && fittingLinkIn(record);
    return this.#unexplained(first, link?.previousAt === undefined ? undefined : Date.parse(link.previousAt));
  }

  /** What is wrong when there is nothing at `next` and after it. */
  #missingFrom(next: number, { lastPosition }: StreamInfo): Problem | undefined {
    const isEmptied = next === 1 && lastPosition > 0;
    const cutOff = [...this.#missed].some(({ position }) => !(position < (isEmptied ? lastPosition + 1 : next)));
    if (cutOff || (next <= lastPosition && !isEmptied) || lastPosition === 0)
      return { kind: 'missing', position: next, reason: 'the stream was longer once' };
    return isEmptied ? this.#unexplained(lastPosition + 1, undefined) : undefined;
  }

  /**
   * Says that the records before `first` are missing, unless retention explains it: it keeps only so long, and none of them is
   * known to be younger.
   *
   * @param lastAt when the last of them was recorded, if that is known
   */
  #unexplained(first: number, lastAt: number | undefined): Problem | undefined {
    const { retentionDurationMs, clock } = this.store;
    if (retentionDurationMs === 0)
      return { kind: 'missing', position: 1, reason: 'the store has no retention that would have removed it' };
    const times = this.expected.filter(({ position }) => position < first).map(({ at }) => at);
    const known = [...times, lastAt, beginningOf(this.streamId)].filter((time) => time !== undefined);
    const removedBefore = clock.now() - retentionDurationMs + CLOCK_DIFFERENCE_MS;
    if (known.every((time) => time < removedBefore)) return undefined;
    return { kind: 'missing', position: first - 1, reason: 'it is too young to have been removed by retention' };
  }

  #problemOf(
    record: RecordedEvent,
    position: number,
    first: number,
    page: readonly RecordedEvent[],
  ): Problem | undefined {
    const { id } = record;
    if (record.position !== position) {
      const isLater = page.some((other) => other.position === position);
      if (isLater) return { kind: 'reordered', position, id, reason: `it has position ${record.position}` };
      return { kind: 'missing', position, reason: `after it comes position ${record.position}` };
    }
    const expected = this.expected.filter((one) => one.position === position);
    const link = linkIn(record);
    if (!link && !this.head) {
      if (expected.length > 0)
        return { kind: 'altered', position, id, reason: `it has no hash, and had one when ${expected[0].by}` };
      this.unchained++;
      return undefined;
    }
    if (!link || !isWhole(link)) return { kind: 'altered', position, id, reason: 'it has no hash of the one before' };
    const { previousHash, previousStream, hash } = link;
    if (hashOf(record, link.position, previousHash, link) !== hash)
      return { kind: 'altered', position, id, reason: 'its content does not fit its hash' };
    if (link.position !== position)
      return { kind: 'reordered', position, id, reason: `it was written at ${link.position}` };
    // Of what retention has removed, only the hash is left; what another stream holds is looked for there.
    const isElsewhere = position === first && (first > 1 || previousStream !== undefined);
    if (!isElsewhere && previousHash !== (this.head?.hash ?? FIRST))
      return { kind: 'missing', position, id, reason: 'it was written after another record than the one before it' };
    const broken = expected.find((one) => one.hash !== hash);
    if (broken) return { kind: 'altered', position, id, reason: `another record was there when ${broken.by}` };
    for (const one of expected) this.#missed.delete(one);
    const isDated = beginningOf(this.streamId) !== undefined;
    const recordedAt = record.recordedAt.toISOString();
    this.head = { streamId: this.streamId, position, hash, ...(!isDated && { recordedAt }) };
    this.verified++;
    return undefined;
  }
}

/** Reads on; where something of a page cannot be read, up to there. */
async function readOn(
  store: EventStore,
  streamId: string,
  after: number,
  limit: number,
): Promise<{ readonly records: readonly RecordedEvent[]; readonly problem?: Problem }> {
  try {
    const { events } = await store.read(streamId, after, limit);
    return { records: events };
  } catch (error) {
    if (error instanceof StreamNotFoundError) return { records: [] };
    const kind = damageOf(error);
    if (!kind) throw error;
    if (limit > 1) return readOn(store, streamId, after, 1);
    return { records: [], problem: { kind, position: after + 1, reason: messageOf(error) } };
  }
}

/** What has become of a record that cannot be read; undefined when that is not its fault. */
function damageOf(error: unknown): AuditProblem['kind'] | undefined {
  const { name, cause } = (error ?? {}) as Partial<Error>;
  // Its text is no JSON any more.
  if (name === 'SyntaxError' || (cause as Partial<Error> | undefined)?.name === 'SyntaxError') return 'altered';
  return error instanceof StorageCorruptedError ? 'missing' : undefined;
}

async function infoOf(store: EventStore, streamId: string): Promise<StreamInfo | undefined> {
  try {
    return await store.getStreamInfo(streamId);
  } catch (error) {
    if (error instanceof StreamNotFoundError) return undefined;
    throw error;
  }
}
