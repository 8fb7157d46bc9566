import type { RecordedEvent } from '../../store/values/event.js';
import type { EventToAppend } from '../../store/ports/storage-engine.js';

/** An event as a case writes it: plain values for texts. */
export interface EventDraft {
  readonly id?: string;
  readonly type?: string;
  readonly data?: unknown;
  /** Instead of `data`, its JSON text. */
  readonly dataText?: string;
  readonly metadata?: object;
  readonly timestamp?: number;
}

export function toAppend({
  id,
  type = 'counted',
  data = null,
  dataText,
  metadata,
  timestamp,
}: EventDraft): EventToAppend {
  return {
    id,
    type,
    data: dataText ?? JSON.stringify(data),
    metadata: metadata === undefined ? '' : JSON.stringify(metadata),
    timestamp,
  };
}

/** Events whose data are the numbers from `first` to `last`. */
export function numbered(first: number, last: number, draft: EventDraft = {}): EventDraft[] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({ ...draft, data: first + index }));
}

/** The numbers from `first` to `last`; backward when `last` is smaller. */
export function numbers(first: number, last: number): number[] {
  const step = last < first ? -1 : 1;
  return Array.from({ length: Math.abs(last - first) + 1 }, (_, index) => first + index * step);
}

export function dataOf(events: readonly RecordedEvent[]): unknown[] {
  return events.map(({ data }) => data);
}

export function positionsOf(events: readonly RecordedEvent[]): number[] {
  return events.map(({ position }) => position);
}

export function idsOf(events: readonly RecordedEvent[]): string[] {
  return events.map(({ id }) => id);
}
