import type { RecordedEvent } from '../../store/values/event.js';

/** How a reading is read. */
export interface ReadingManner {
  /** How many events are wanted at first, at most. */
  readonly first: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Events that a request asks for, in one of several orders. */
export interface EventReading {
  /** Those that there are when this is called, in arrays, read as they are asked for. An array may be empty. */
  batches(manner: ReadingManner): AsyncIterable<readonly RecordedEvent[]>;
  /** The parameters from which to go on after this event. */
  after(event: RecordedEvent): Readonly<Record<string, string>>;
}

/** Which streams a request may see; undefined for all. */
export type Visibility = ((streamId: string) => boolean) | undefined;

/** A page as it is sent: texts, as many as the bytes allow, but at least one if there is any. */
export interface PageTexts {
  readonly texts: readonly Buffer[];
  /** The query parameters of the page that follows; undefined when none does. */
  readonly next: Readonly<Record<string, string>> | undefined;
}

/** How much a page may hold. */
export interface PageBounds {
  readonly events: number;
  readonly bytes: number;
}

/**
 * Writes the events of a page as texts.
 *
 * A page is followed by another when an event follows that is visible, and that one begins after the last event of this
 * one: so pages tell nothing of what is hidden, not even that there is something.
 */
export async function writePage(
  reading: EventReading,
  bounds: PageBounds,
  isVisible: Visibility,
  write: (event: RecordedEvent) => string,
  signal: AbortSignal,
): Promise<PageTexts> {
  // Outside of the heap: what a page holds until it is sent is none of the garbage collector's business.
  const texts: Buffer[] = [];
  let bytes = 0;
  let last: RecordedEvent | undefined;
  // One more than is asked for tells whether another page follows.
  for await (const events of reading.batches({ first: bounds.events + 1, signal })) {
    for (const event of events) {
      if (isVisible && !isVisible(event.streamId)) continue;
      if (last !== undefined && texts.length === bounds.events) return { texts, next: reading.after(last) };
      const text = Buffer.from(write(event));
      bytes += text.length;
      if (last !== undefined && bytes > bounds.bytes) return { texts, next: reading.after(last) };
      texts.push(text);
      last = event;
    }
  }
  return { texts, next: undefined };
}
