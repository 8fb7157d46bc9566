import { CompiledFilter, type EventFilter } from '../../store/values/event-filter.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { SubscriptionTarget } from '../../store/values/target.js';

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
  /** What it is read from together with other targets. */
  readonly feed: { readonly key: string; readonly target: SubscriptionTarget };
  /** Whether an event of the feed is one of the target's. */
  wants(event: RecordedEvent): boolean;
}

const LOG = { key: 'log', target: { all: true } } as const;
/** The store's own streams are read only for those who ask for them. */
const OWN_STREAMS = { key: 'own streams', target: { streams: '$*' } } as const;

/** Follows one stream, by its own positions. */
export function streamTarget(streamId: string, types: readonly string[] | undefined): LiveTarget {
  const target = { stream: streamId, types };
  const compiled = new CompiledFilter({ types });
  return {
    key: JSON.stringify(['stream', target]),
    target,
    filter: target,
    streamId,
    placeOf: ({ position }) => position,
    feed: { key: JSON.stringify(['stream', streamId]), target: { stream: streamId } },
    wants: ({ type }) => compiled.matchesType(type),
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
  const compiled = new CompiledFilter({ ...(stream === undefined ? { streams } : { stream }), types });
  const target = pattern === undefined ? ({ all: true, types } as const) : { streams: pattern, types };
  return {
    key: JSON.stringify(['log', stream, target]),
    target,
    filter,
    streamId: null,
    placeOf: ({ globalPosition }) => globalPosition,
    feed: pattern?.startsWith('$') ? OWN_STREAMS : LOG,
    wants: ({ streamId, type }) => compiled.matchesStream(streamId) && compiled.matchesType(type),
  };
}
