import type { ExpectedRevision, SubscriptionGap } from 'nestjs-stream-store';

/** An event as the model keeps it; `id` is learned from the store when the append named none. */
export interface ModelEvent {
  id: string | undefined;
  readonly type: string;
  readonly number: number;
  readonly streamId: string;
  readonly position: number;
  readonly globalPosition: number;
  readonly timestamp: number;
  readonly recordedAt: number;
}

export type ModelBatch = readonly (Pick<ModelEvent, 'id' | 'type' | 'number'> & { readonly timestamp?: number })[];
export type ModelFilter = { readonly stream?: string; readonly streams?: string; readonly types?: readonly string[] };
/** An append is answered with positions, or refused with a code, and the actual revision or the limit. */
export type Outcome = { first: number; last: number; globalPosition: number } | Refusal;
export type Refusal = { code: string; actual?: number; limit?: string };

export interface ModelSubscription {
  readonly place: 'position' | 'globalPosition';
  readonly filter: ModelFilter;
  readonly batchSize: number;
  readTo: number;
  buffer: ModelEvent[];
  gap: SubscriptionGap | undefined;
}

/** An event store in as few words as possible: one array of all events there ever were. Slow, and plainly right. */
export class ReferenceModel {
  isClosed = false;
  readonly events: ModelEvent[] = [];
  readonly subscriptions: ModelSubscription[] = [];
  #keptSince = -Infinity;

  constructor(
    public now: number,
    private readonly options: { retention: number; maxEventsPerStream: number; maxStreams: number },
  ) {}

  /** What may be seen now. Time can go back; what was hidden stays hidden. */
  kept(filter: ModelFilter = {}): ModelEvent[] {
    if (this.options.retention > 0) this.#keptSince = Math.max(this.#keptSince, this.now - this.options.retention);
    return this.events.filter((event) => event.recordedAt >= this.#keptSince && fits(event, filter));
  }

  revision(streamId: string): number {
    return this.events.filter((event) => event.streamId === streamId).length;
  }

  /** The outcomes that are right; there are two when a retry repeats events that have expired. */
  append(streamId: string, batch: ModelBatch, expected: ExpectedRevision): Outcome[] {
    const revision = this.revision(streamId);
    const wanted = expected === 'no-stream' ? 0 : expected;
    const isRight = wanted === 'any' || (wanted === 'stream-exists' ? revision > 0 : wanted === revision);
    if (!isRight) return this.#repeated(streamId, batch, wanted, revision);
    if (batch.length > 0) {
      const { maxEventsPerStream, maxStreams } = this.options;
      const kept = this.kept({ stream: streamId }).length;
      const isTooLong = kept + batch.length > maxEventsPerStream;
      const isOneMore = kept === 0 && this.streamIds('', '').length >= maxStreams;
      if (isTooLong) return [{ code: 'STREAM_LIMIT_REACHED', limit: 'maxEventsPerStream' }];
      if (isOneMore) return [{ code: 'STREAM_LIMIT_REACHED', limit: 'maxStreams' }];
    }
    const recordedAt = Math.max(this.now, this.events.at(-1)?.recordedAt ?? -Infinity, this.#keptSince);
    for (const { id, type, number, timestamp = this.now } of batch) {
      const [position, globalPosition] = [this.revision(streamId) + 1, this.events.length + 1];
      this.events.push({ id, type, number, streamId, position, globalPosition, timestamp, recordedAt });
    }
    return [{ first: revision + 1, last: revision + batch.length, globalPosition: this.events.length }];
  }

  #repeated(streamId: string, batch: ModelBatch, wanted: number | 'stream-exists', revision: number): Outcome[] {
    const refused = { code: 'WRONG_EXPECTED_REVISION', actual: revision };
    if (typeof wanted !== 'number' || batch.length === 0) return [refused];
    const there = this.events.filter((event) => event.streamId === streamId).slice(wanted, wanted + batch.length);
    if (!batch.every(({ id }, index) => id !== undefined && there[index]?.id === id)) return [refused];
    const { position, globalPosition } = there.at(-1)!;
    const first = { first: wanted + 1, last: position, globalPosition };
    const kept = new Set(this.kept());
    return there.every((event) => kept.has(event)) ? [first] : [first, refused];
  }

  /** Events after `after` (forward) or before it (backward), all of them. */
  read(filter: ModelFilter, place: ModelSubscription['place'], after: number, backward: boolean): ModelEvent[] {
    const events = this.kept(filter).filter((event) => (backward ? event[place] < after : event[place] > after));
    return backward ? events.reverse() : events;
  }

  timeRange(from: number, to: number, filter: ModelFilter): ModelEvent[] {
    return this.kept(filter)
      .filter(({ timestamp }) => timestamp >= from && timestamp <= to)
      .sort((a, b) => a.timestamp - b.timestamp || a.globalPosition - b.globalPosition);
  }

  streamIds(prefix: string, after: string): string[] {
    const ids = [...new Set(this.kept().map(({ streamId }) => streamId))].sort(byBytes);
    return ids.filter((id) => id.startsWith(prefix) && (after === '' || byBytes(id, after) > 0));
  }

  head({ place, filter }: Pick<ModelSubscription, 'place' | 'filter'>): number {
    return place === 'position' ? this.revision(filter.stream!) : this.events.length;
  }

  /** The last place that nobody can see any more. */
  trimmedTo(subscription: Pick<ModelSubscription, 'place' | 'filter'>): number {
    const { place, filter } = subscription;
    const [first] = this.kept(place === 'position' ? { stream: filter.stream! } : {});
    return first ? first[place] - 1 : this.head(subscription);
  }

  /** Hands out at most `count` events, as many as can be had without waiting. */
  pump(subscription: ModelSubscription, count: number): ModelEvent[] {
    const out: ModelEvent[] = [];
    while (out.length < count) {
      if (subscription.buffer.length === 0 && !this.#load(subscription)) break;
      out.push(subscription.buffer.shift()!);
    }
    return out;
  }

  #load(subscription: ModelSubscription): boolean {
    const { place, filter, batchSize, readTo } = subscription;
    const events = this.read(filter, place, readTo, false).slice(0, batchSize);
    if (events.length === 0) return false;
    const trimmedTo = this.trimmedTo(subscription);
    if (trimmedTo > readTo) subscription.gap = { after: readTo, trimmedTo };
    subscription.buffer = events;
    subscription.readTo = events.length === batchSize ? events.at(-1)![place] : this.head(subscription);
    return true;
  }
}

function fits({ streamId, type }: ModelEvent, { stream, streams, types }: ModelFilter): boolean {
  return (
    (stream ?? streamId) === streamId &&
    like(streams ?? '*', streamId) &&
    (types ?? ['*']).some((one) => like(one, type))
  );
}

function like(pattern: string, text: string): boolean {
  const source = pattern.split('*').map((part) => part.replace(/[^\p{L}\p{M}\d]/gu, '\\$&'));
  return new RegExp(`^${source.join('.*')}$`, 's').test(text);
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
