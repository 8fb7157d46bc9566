import assert from 'node:assert/strict';
import type { Checkpoint } from '../../store/values/checkpoint.js';
import { toFilter, type EventFilter } from '../../store/values/event-filter.js';
import type { RecordedEvent } from '../../store/values/event.js';
import { ANY, type ExpectedRevision } from '../../store/values/expected-revision.js';
import type {
  AppendAnswer,
  CheckpointConditions,
  EngineContext,
  EngineUsage,
  Lease,
  ListStreamsRequest,
  LogPage,
  ReadAllRequest,
  ReadStreamRequest,
  ReadTimeRangeRequest,
  StorageEngine,
  StreamPage,
  TimeRangePage,
  TrimRequest,
} from '../../store/ports/storage-engine.js';
import type { StreamInfo } from '../../store/values/stream-info.js';
import { AcknowledgedEvents } from './acknowledged-events.js';
import { type EventDraft, toAppend } from './event-drafts.js';
import { type LivingClock, realTime } from './living-clock.js';

/** Everything, from the first event on. */
const ALL = { after: 0, limit: Infinity, maxBytes: Infinity, direction: 'forward', recordedSince: -Infinity } as const;

/** How long what has to come about may take: it ends before a test runner gives up. */
const PATIENCE_MS = 4_000;
const PUSH_MS = 20;

/** What an engine is opened with; no limit where one is left out. */
export type Limits = Pick<EngineContext, 'maxEventsPerStream' | 'maxStreams'>;

/** Opens further engines on the log of a case, and knows which are open. */
export interface LogOpener {
  another(): Promise<TestedLog>;
  /** Opens an engine that was closed. */
  again(closed: StorageEngine): Promise<TestedLog>;
  close(log: TestedLog): Promise<void>;
}

/** Part of a filter as users write it; left out, everything is let through, the store's own streams included. */
interface Filtered {
  readonly filter?: EventFilter;
}

/**
 * An opened engine as a case uses it: requests filled in, pages read to their end, and a list of what was acknowledged.
 *
 * Whatever an engine throws at once becomes a rejection, as it does in the store.
 */
export class TestedLog {
  constructor(
    readonly engine: StorageEngine,
    readonly clock: LivingClock,
    readonly acknowledged: AcknowledgedEvents,
    private readonly opener: LogOpener,
  ) {}

  async append(
    streamId: string,
    drafts: EventDraft | readonly EventDraft[],
    expectedRevision: ExpectedRevision = ANY,
    recordedSince = -Infinity,
  ): Promise<AppendAnswer> {
    const events = [drafts].flat().map(toAppend);
    const answer = await this.engine.append({ streamId, events, expectedRevision, recordedSince });
    if (!answer.repeated) this.acknowledged.add(streamId, events, answer);
    return answer;
  }

  /** One page of a stream. */
  async streamPage(streamId: string, request: Partial<ReadStreamRequest> = {}): Promise<StreamPage> {
    return this.engine.readStream({ ...ALL, types: undefined, ...request, streamId });
  }

  /** A stream, page after page until there are enough events, as the store reads it. */
  async stream(streamId: string, request: Partial<ReadStreamRequest> = {}): Promise<RecordedEvent[]> {
    const { limit = Infinity } = request;
    const events: RecordedEvent[] = [];
    let after = request.after ?? (request.direction === 'backward' ? Infinity : 0);
    for (;;) {
      const page = await this.streamPage(streamId, { ...request, after, limit: limit - events.length });
      events.push(...page.events);
      if (page.isEnd || events.length >= limit) return events;
      assertProgress(after, page.position, page.events.length);
      after = page.position;
    }
  }

  /** One page of the whole log. */
  async logPage({ filter, ...request }: Partial<Omit<ReadAllRequest, 'filter'>> & Filtered = {}): Promise<LogPage> {
    return this.engine.readAll({ ...ALL, ...request, filter: filter && toFilter(filter) });
  }

  /** The log, page after page until there are enough events, as the store reads it. */
  async log(request: Partial<Omit<ReadAllRequest, 'filter'>> & Filtered = {}): Promise<RecordedEvent[]> {
    const { limit = Infinity } = request;
    const events: RecordedEvent[] = [];
    let after = request.after ?? (request.direction === 'backward' ? Infinity : 0);
    for (;;) {
      const page = await this.logPage({ ...request, after, limit: limit - events.length });
      events.push(...page.events);
      if (page.isEnd || events.length >= limit) return events;
      assertProgress(after, page.globalPosition, page.events.length);
      after = page.globalPosition;
    }
  }

  /** One page of a time range. */
  async timePage({
    filter,
    ...request
  }: Partial<Omit<ReadTimeRangeRequest, 'filter'>> & Filtered = {}): Promise<TimeRangePage> {
    const everything = { from: -Infinity, to: Infinity, after: undefined, upTo: Infinity };
    const { limit, maxBytes, recordedSince } = ALL;
    return this.engine.readTimeRange({
      ...everything,
      limit,
      maxBytes,
      recordedSince,
      ...request,
      filter: filter && toFilter(filter),
    });
  }

  /** A time range, page after page until there are enough events, as the store reads it. */
  async timeRange(request: Partial<Omit<ReadTimeRangeRequest, 'filter'>> & Filtered = {}): Promise<RecordedEvent[]> {
    const { limit = Infinity } = request;
    const events: RecordedEvent[] = [];
    let { after } = request;
    do {
      const page = await this.timePage({ ...request, after, limit: limit - events.length });
      events.push(...page.events);
      after = page.next;
    } while (after !== undefined && events.length < limit);
    return events;
  }

  async streams(request: Partial<ListStreamsRequest> = {}): Promise<readonly StreamInfo[]> {
    return this.engine.listStreams({
      streamId: undefined,
      prefix: '',
      after: '',
      limit: Infinity,
      recordedSince: -Infinity,
      ...request,
    });
  }

  async streamIds(request: Partial<ListStreamsRequest> = {}): Promise<string[]> {
    return (await this.streams(request)).map(({ streamId }) => streamId);
  }

  async trim(request: Partial<TrimRequest> = {}): Promise<number> {
    const removed = await this.engine.trim({ recordedBefore: Infinity, upTo: Infinity, limit: Infinity, ...request });
    this.acknowledged.removed += removed;
    return removed;
  }

  async usage(recordedSince = -Infinity): Promise<EngineUsage> {
    return this.engine.usage({ recordedSince });
  }

  async saveCheckpoint(
    name: string,
    checkpoint: Checkpoint,
    lease?: Lease,
    conditions?: CheckpointConditions,
  ): Promise<void> {
    await this.engine.saveCheckpoint(name, checkpoint, lease, conditions);
  }

  async loadCheckpoint(name: string): Promise<Checkpoint | undefined> {
    return this.engine.loadCheckpoint(name);
  }

  async removeCheckpoint(name: string): Promise<void> {
    await this.engine.removeCheckpoint(name);
  }

  async acquire(name: string, holder: string, durationMs = 60_000, evenFrom?: Lease): Promise<Lease | undefined> {
    return this.engine.acquireLease!({ name, holder, durationMs, ...(evenFrom && { evenFrom }) });
  }

  /** A lease that nobody else can hold yet. */
  async acquired(name: string, holder: string, durationMs = 60_000): Promise<Lease> {
    const lease = await this.acquire(name, holder, durationMs);
    assert.ok(lease, `${holder} did not get the lease "${name}", which nobody held`);
    return lease;
  }

  async release(lease: Lease): Promise<void> {
    await this.engine.releaseLease!(lease);
  }

  async leases(prefix = ''): Promise<readonly Lease[]> {
    return this.engine.listLeases!(prefix);
  }

  /** Another engine on the same log, open at the same time. */
  async another(): Promise<TestedLog> {
    return this.opener.another();
  }

  /** Closes the engine as the store does. */
  /** Closes the engine, and opens the same one again. */
  async openedAgain(): Promise<TestedLog> {
    await this.close();
    return this.opener.again(this.engine);
  }

  async close(): Promise<void> {
    if (this.engine.supports.snapshot) await this.engine.snapshot!({ ifChanged: true });
    await this.opener.close(this);
  }

  /** Closes the engine and opens another one on its log. */
  async reopened(): Promise<TestedLog> {
    await this.close();
    return this.opener.another();
  }

  /** Sees to it that what is appended next is recorded later than all before, whosever clock the engine goes by. */
  async later(): Promise<void> {
    this.clock.push(1_000);
    await realTime(3);
  }

  /** Lets time pass, here and on servers, until `condition` holds. @param what fails if it never does */
  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await condition())) {
      assert.ok(Date.now() < deadline, `${what} within ${PATIENCE_MS} ms`);
      this.clock.push(PUSH_MS);
      await realTime(PUSH_MS / 4);
    }
  }
}

/** A page that is not the last one must lead on, or a reader would ask for it for ever. */
function assertProgress(before: number, now: number, events: number): void {
  assert.ok(now !== before, `a page of ${events} events that is not the last stays at ${before}`);
}
