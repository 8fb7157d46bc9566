import type { EventFilter } from '../store/event-filter.js';
import type { EventStore } from '../store/event-store.js';
import type { RecordedEvent } from '../store/event.js';
import type { EventPage, EventReading } from './event-page.js';

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

  async page(limit: number): Promise<EventPage> {
    const events: RecordedEvent[] = [];
    // One more than is asked for tells whether another follows.
    for await (const batch of this.#replay(Math.min(limit + 1, 1_000))) {
      events.push(...batch);
      if (events.length > limit) return { events: events.slice(0, limit), next: this.after(events[limit - 1]) };
    }
    return { events, next: undefined };
  }

  async *batches(limit: number, signal: AbortSignal): AsyncIterable<readonly RecordedEvent[]> {
    let left = limit;
    for await (const batch of this.#replay(undefined, signal)) {
      yield batch.slice(0, left);
      left -= batch.length;
      if (left <= 0) return;
    }
  }

  after({ timestamp, globalPosition }: RecordedEvent): Record<string, string> {
    return { from: timestamp.toISOString(), after: String(globalPosition) };
  }

  async *#replay(batchSize?: number, signal?: AbortSignal): AsyncIterable<readonly RecordedEvent[]> {
    const { from, to } = this.range;
    const replay = this.store.replay(from, to, { batchSize, signal, filter: this.filter });
    for await (const batch of replay.batches()) yield batch.filter((event) => !this.#wasRead(event));
  }

  #wasRead({ timestamp, globalPosition }: RecordedEvent): boolean {
    const { from, readTo } = this.range;
    if (from === undefined || readTo === undefined) return false;
    return globalPosition <= readTo && timestamp.getTime() === new Date(from).getTime();
  }
}
