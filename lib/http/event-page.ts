import type { RecordedEvent } from '../store/event.js';

/** Part of a reading that a client can go on from. */
export interface EventPage {
  readonly events: readonly RecordedEvent[];
  /** The query parameters of the page that follows; undefined when none does. */
  readonly next: Readonly<Record<string, string>> | undefined;
}

/** Events that a request asks for, in one of several orders. */
export interface EventReading {
  /** At most `limit` of them. */
  page(limit: number): Promise<EventPage>;
  /** All there are when this is called, or `limit`, in arrays, read as they are asked for. */
  batches(limit: number, signal: AbortSignal): AsyncIterable<readonly RecordedEvent[]>;
  /** The parameters from which to go on after this event. */
  after(event: RecordedEvent): Readonly<Record<string, string>>;
}

/** A page as it is sent: texts, as many as the bytes allow, but at least one if there is any. */
export interface PageTexts {
  readonly texts: readonly string[];
  readonly next: EventPage['next'];
}

/**
 * Writes the events of a page as texts, until they have `maxBytes`.
 *
 * @param isHidden whether an event is left out; the page then has fewer events, and is followed by the next all the same
 */
export function writePage(
  reading: EventReading,
  { events, next }: EventPage,
  maxBytes: number,
  isHidden: (event: RecordedEvent) => boolean,
  write: (event: RecordedEvent) => string,
): PageTexts {
  const texts: string[] = [];
  let bytes = 0;
  let last: RecordedEvent | undefined;
  for (const event of events) {
    if (!isHidden(event)) {
      const text = write(event);
      bytes += Buffer.byteLength(text);
      if (bytes > maxBytes && last !== undefined) return { texts, next: reading.after(last) };
      texts.push(text);
    }
    last = event;
  }
  return { texts, next };
}
