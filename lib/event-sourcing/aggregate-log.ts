import type { EventStore } from '../store/event-store.js';
import type { StreamPage } from '../store/ports/storage-engine.js';
import type { AppendResult } from '../store/services/event-appender.js';
import { internalsOf } from '../store/store-internals.js';
import { EventsExpiredError, LogForkedError, StreamNotFoundError } from '../store/values/errors.js';
import type { NewEvent, RecordedEvent } from '../store/values/event.js';
import type { ExpectedRevision } from '../store/values/expected-revision.js';
import type { Place } from '../store/values/place.js';

/** What is read of a stream at a time. */
export type EventsPage = Pick<StreamPage, 'events' | 'isEnd' | 'position'>;

const NOTHING: EventsPage = Object.freeze({ events: [], isEnd: true, position: 0 });

/** The streams of a store as aggregates see them: whole from their first event, or not at all. */
export class AggregateLog {
  constructor(readonly store: EventStore) {}

  /**
   * The events of a stream after a place; none of a stream that never was.
   *
   * @returns undefined when the stream does not go on from the place, as after a failover
   * @throws {EventsExpiredError} when retention removed any of its events
   */
  async after(streamId: string, place: Place): Promise<EventsPage | undefined> {
    try {
      const page = await internalsOf(this.store).readStreamAfter(streamId, place);
      if (page.trimmedTo > 0) throw new EventsExpiredError(undefined, streamId, page.trimmedTo);
      return page;
    } catch (error) {
      if (error instanceof StreamNotFoundError) return place.position === 0 ? NOTHING : undefined;
      if (error instanceof LogForkedError) return undefined;
      throw error;
    }
  }

  /** The events at these positions, which are there. */
  async range(streamId: string, firstPosition: number, count: number): Promise<RecordedEvent[]> {
    return this.store.readStream(streamId, firstPosition - 1, { limit: count });
  }

  /** The position of the last event that the stream ever had; 0 when it never was. */
  async revision(streamId: string): Promise<number> {
    return (await internalsOf(this.store).look(streamId, 0)).head;
  }

  append(streamId: string, events: readonly NewEvent[], expectedRevision: ExpectedRevision): Promise<AppendResult> {
    return this.store.append(streamId, events, { expectedRevision });
  }
}
