import type { EventFilter } from '../../store/event-filter.js';
import type { RecordedEvent } from '../../store/event.js';
import type { SubscriptionTarget } from '../../store/subscription.js';

/** Which events a client follows: one stream, or what a filter lets through of the log. */
export interface LiveTarget {
  /** Equal for equal targets. */
  readonly key: string;
  readonly target: SubscriptionTarget;
  /** The same, for a reading of the log. */
  readonly filter: EventFilter;
  /** The stream in which its clients count; null when they count in the whole log. */
  readonly streamId: string | null;
  /** The position that its clients count in: in the stream, or in the whole log. */
  placeOf(event: RecordedEvent): number;
  /** Whether an event of the target is wanted; all are when it is left out. */
  isWanted?(event: RecordedEvent): boolean;
}

/** Follows one stream, by its own positions. */
export function streamTarget(streamId: string, types: readonly string[] | undefined): LiveTarget {
  const target = { stream: streamId, types };
  return {
    key: JSON.stringify(['stream', target]),
    target,
    filter: target,
    streamId,
    placeOf: ({ position }) => position,
  };
}

/**
 * Follows the log, by global positions.
 *
 * @param filter its `stream` is a name, in which `*` stands for itself
 */
export function logTarget(filter: EventFilter): LiveTarget {
  const { stream, streams, types } = filter;
  const pattern = stream ?? streams;
  const target = pattern === undefined ? ({ all: true, types } as const) : { streams: pattern, types };
  return {
    key: JSON.stringify(['log', stream, target]),
    target,
    filter,
    streamId: null,
    placeOf: ({ globalPosition }) => globalPosition,
    // What has no asterisk is a pattern that only the stream itself fits.
    ...(stream?.includes('*') && { isWanted: ({ streamId }) => streamId === stream }),
  };
}
