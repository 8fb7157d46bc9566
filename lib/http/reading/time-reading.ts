import type { EventFilter } from '../../store/values/event-filter.js';
import type { EventStore } from '../../store/event-store.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { EventReading, ReadingManner } from './event-page.js';

const BATCH_SIZE = 512;

/** A range of times, both ends inclusive, either end open. */
export interface TimeRange {
  /** ISO 8601. */
  readonly from: string | undefined;
  /** ISO 8601. */
  readonly to: string | undefined;
  /** Leaves out what happened at `from` itself up to this global position: so one page is followed by the next. */
  readonly readTo: number | undefined;
}

/** The order of time, ties by global position. */
export class TimeReading implements EventReading {
  constructor(
    private readonly store: EventStore,
    private readonly range: TimeRange,
    private readonly filter: EventFilter,
  ) {}

  async *batches({ first, signal }: ReadingManner): AsyncIterable<readonly RecordedEvent[]> {
    const { from, to } = this.range;
    const replay = this.store.replay(from, to, { batchSize: Math.min(first, BATCH_SIZE), signal, filter: this.filter });
    for await (const batch of replay.batches()) yield batch.filter((event) => !this.#wasRead(event));
  }

  after({ timestamp, globalPosition }: RecordedEvent): Record<string, string> {
    return { from: timestamp.toISOString(), after: String(globalPosition) };
  }

  #wasRead({ timestamp, globalPosition }: RecordedEvent): boolean {
    const { from, readTo } = this.range;
    if (from === undefined || readTo === undefined) return false;
    return globalPosition <= readTo && timestamp.getTime() === new Date(from).getTime();
  }
}
