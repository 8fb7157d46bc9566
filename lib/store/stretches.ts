import type { RecordedEvent } from './event.js';

/** Positions of a stream, from one to another. */
export interface StreamStretch {
  readonly streamId: string;
  readonly first: number;
  readonly last: number;
}

/** More events than this are not counted for one page. */
const MOST_EVENTS_COUNTED = 10_000;

/**
 * Where a page has passed over events of a stream: from the lowest to the highest position in it, when not all between them
 * are in it. They may have happened at another time, or not be asked for; or they are missing, which can be counted.
 *
 * @returns as many as are cheap to count; none for most pages
 */
export function stretchesPassedOver(events: readonly RecordedEvent[]): StreamStretch[] {
  const found = new Map<string, { first: number; last: number; count: number }>();
  for (const { streamId, position } of events) {
    const stretch = found.get(streamId);
    if (!stretch) {
      found.set(streamId, { first: position, last: position, count: 1 });
    } else {
      stretch.first = Math.min(stretch.first, position);
      stretch.last = Math.max(stretch.last, position);
      stretch.count++;
    }
  }
  const passedOver: StreamStretch[] = [];
  let room = MOST_EVENTS_COUNTED;
  for (const [streamId, { first, last, count }] of found) {
    const size = last - first + 1;
    if (count === size || size > room) continue;
    room -= size;
    passedOver.push({ streamId, first, last });
  }
  return passedOver;
}
