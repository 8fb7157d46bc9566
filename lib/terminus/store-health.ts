import type { EventStoreStatus } from '../nest/event-stores.js';
import type { StreamSubscriptionStatus } from '../nest/stream-subscriptions.js';
import type { EventStore } from '../store/event-store.js';
import { internalsOf } from '../store/store-internals.js';
import type { CheckedHealthOptions } from './event-store-health-options.js';
import type { Stuck } from './handler-watch.js';

/** By the name of the handler; undefined when it is not stuck. */
type StuckHandlers = ReadonlyMap<string, Stuck | undefined>;

/** How long it is said that a log went back: until somebody has seen it. */
const WENT_BACK_FOR_MS = 15 * 60_000;

/** What was found out about a store that answers. */
export interface StoreFacts extends EventStoreStatus {
  /** How many events the stream has that has most of them; undefined when nobody has looked. */
  readonly fullestStream: number | undefined;
}

/**
 * What is wrong with a store that answers, in words that stay the same as long as it is wrong: no ids, data, errors or
 * numbers that change.
 */
export function problemsOf(
  store: EventStore,
  { stats, handlers, deadLetters, fullestStream }: StoreFacts,
  stuckHandlers: StuckHandlers,
  options: CheckedHealthOptions,
): string[] {
  const problems: string[] = [];
  const { name, limits, clock } = store;
  const { wentBackAt } = internalsOf(store);
  if (wentBackAt !== undefined && clock.now() - wentBackAt < WENT_BACK_FOR_MS)
    problems.push(`store "${name}" was put back to an earlier state`);
  if (stats.totalStreams >= options.maxStreamsUsed * limits.maxStreams)
    problems.push(`store "${name}" is near its limit of ${limits.maxStreams} streams`);
  const { maxEventsPerStreamUsed = Infinity } = options;
  if (fullestStream !== undefined && fullestStream >= maxEventsPerStreamUsed * limits.maxEventsPerStream)
    problems.push(`store "${name}" has a stream near its limit of ${limits.maxEventsPerStream} events`);
  if (stats.memoryUsageBytes > options.maxMemoryBytes)
    problems.push(`store "${name}" uses more than ${options.maxMemoryBytes} bytes of memory`);
  const letters = [...deadLetters.values()].reduce((sum, count) => sum + count, 0);
  if (letters > options.maxDeadLetters)
    problems.push(`store "${name}" has more than ${options.maxDeadLetters} dead letters`);
  for (const handler of handlers) {
    const what = problemOf(handler, stuckHandlers.get(handler.name), options);
    if (what) problems.push(`handler "${handler.name}" ${what}`);
  }
  return problems;
}

function problemOf(
  { state, lag, outage }: StreamSubscriptionStatus,
  stuck: Stuck | undefined,
  { maxLag, stuckAfterMs }: CheckedHealthOptions,
): string | undefined {
  if (state === 'halted') return 'has stopped after a failure';
  if (state === 'ended') return 'has ended';
  if (state === 'paused') return 'is paused';
  if (outage !== undefined) return 'waits for its storage, which fails';
  // Another instance runs it, and says how it is doing.
  if (state === 'standby') return undefined;
  if (stuck && stuck.durationMs >= stuckAfterMs) return `is behind and has not moved since ${isoTime(stuck.since)}`;
  return lag > maxLag ? `is more than ${maxLag} positions behind` : undefined;
}

/** Numbers of a store and its handlers. */
export function describeStore(
  { name, limits }: EventStore,
  { stats, handlers, deadLetters, fullestStream }: StoreFacts,
  stuckHandlers: StuckHandlers,
): object {
  return {
    name,
    events: stats.totalEvents,
    streams: stats.totalStreams,
    // JSON has no infinity.
    maxStreams: Number.isFinite(limits.maxStreams) ? limits.maxStreams : 0,
    ...(fullestStream !== undefined && { fullestStream, maxEventsPerStream: limits.maxEventsPerStream }),
    memoryBytes: stats.memoryUsageBytes,
    handlers: handlers.map((handler) => {
      const stuck = stuckHandlers.get(handler.name);
      return {
        name: handler.name,
        state: handler.state,
        position: handler.position,
        lag: handler.lag,
        ...(stuck && { notMovedSince: isoTime(stuck.since) }),
        deadLetters: deadLetters.get(handler.name) ?? 0,
      };
    }),
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
