import type { RecordedEvent } from '../store/values/event.js';
import { upcastFailureOf } from '../store/values/typed/upcast-failure.js';
import type { Page } from './shared-reads.js';

/**
 * A page up to the first event that cannot be brought into its present shape: what lies before it is handed out first.
 *
 * @throws {UpcastFailedError} when the page begins with it
 */
export function readablePart(page: Page, positionOf: (event: RecordedEvent) => number): Page {
  const { events } = page;
  const first = events.findIndex((event) => upcastFailureOf(event) !== undefined);
  if (first < 0) return page;
  if (first === 0) throw upcastFailureOf(events[0])!;
  const last = events[first - 1];
  return { ...page, events: events.slice(0, first), readTo: positionOf(last), reachedId: last.id, isEnd: false };
}
