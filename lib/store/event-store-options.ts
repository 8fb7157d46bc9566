import { boundToCaller } from './services/async-context.js';
import { checkEvents, type EventCatalog, type UnknownEvents } from './services/event-catalog.js';
import type { AnyEventDefinitions } from './values/typed/event-definitions.js';
import { systemClock, type Clock } from './values/clock.js';
import { toMilliseconds, type Duration } from './values/duration.js';
import { ValidationError } from './values/errors.js';
import { checkMembers } from './values/known-members.js';
import type { RecordedEvent } from './values/event.js';
import { checkName, shown } from './values/names.js';
import { consoleLogger, type StoreLogger } from './ports/logger.js';
import type { Instrumentation } from './ports/instrumentation.js';
import { addCollector, type MetricsCollector } from './ports/metrics-collector.js';
import type { StorageEngine } from './ports/storage-engine.js';

/** How a store is set up. Every field may be left out. */
export interface EventStoreOptions {
  /**
   * Names the store in metrics, logs and injection tokens. Default after its engine: `memory-store`, `sqlite-store`,
   * `postgres-store`.
   */
  readonly name?: string;

  /**
   * At most so many events in one stream, counting only those kept now. 0 means no limit. Default 100 000 in memory, and
   * no limit with another engine.
   */
  readonly maxEventsPerStream?: number;

  /** At most so many streams that hold events. 0 means no limit. Default 10 000 in memory, and no limit with another engine. */
  readonly maxStreams?: number;

  /**
   * How long events are kept after they were recorded: milliseconds, or text such as `'7d'`. Older ones are hidden at once
   * and removed by a sweep that runs ten times in this period. 0, the default, keeps them for ever.
   */
  readonly retentionDuration?: Duration;

  /** What retention waits for, besides the time. */
  readonly retention?: RetentionOptions;

  /**
   * Gets the events that are about to be removed by retention, oldest first, at most 1 000 at a time; to archive them,
   * for example. If it throws or rejects, none of them is removed, and the next sweep hands them over again.
   */
  readonly onExpire?: (events: readonly RecordedEvent[]) => void | Promise<void>;

  /**
   * How often the engine writes a snapshot, if it has a place for snapshots: milliseconds, or text such as `'1h'`. 0 means
   * never. Default 1 hour.
   */
  readonly snapshotInterval?: Duration;

  /**
   * How long opening waits for a database that is not there yet, in milliseconds; it says so once in the log, and then fails
   * with what it met. What no waiting fixes fails at once. 0 for not at all. Default 30 000.
   */
  readonly startTimeoutMs?: number;

  /**
   * How long closing waits for handlers that are at work, in milliseconds, before it aborts them and goes on without
   * them. Default 10 000.
   */
  readonly shutdownTimeoutMs?: number;

  /** Told what the store does. Default: nobody. */
  readonly metricsCollector?: MetricsCollector;

  /** Stands around appends and handler calls, to trace them for example. Default: nobody. */
  readonly instrumentation?: Instrumentation;

  /** Where events are kept. Default: in memory. */
  readonly engine?: StorageEngine;

  /**
   * The types of events that the store knows, as `defineEvents` has answered them: what is appended is checked by their
   * schemas, and what is read has the shape that they describe. Default none.
   */
  readonly events?: readonly AnyEventDefinitions[];

  /** Whether events of other types may be appended, too: `'allow'`, the default, or `'refuse'`. */
  readonly unknownEvents?: UnknownEvents;

  /** Where failures without a caller are reported. Default the console; inside Nest, its logger. */
  readonly logger?: StoreLogger;

  /** Where the store takes the time from. Default the computer's clock. */
  readonly clock?: Clock;
}

export interface RetentionOptions {
  /**
   * Whether events stay, and can be read, until every durable handler has handled them, however old they are. A handler
   * that the application has no more holds them for ever, until it is forgotten: `StreamSubscriptions.forget`. Default
   * false.
   */
  readonly keepForDurable?: boolean;
}

/**
 * The value of every option that was left out, except `engine`. Durations are in milliseconds. The name and the limits are
 * those of a store in memory.
 */
export const DEFAULT_EVENT_STORE_OPTIONS = Object.freeze({
  /** Stores with another engine are called after theirs. */
  name: 'memory-store',
  /** 0, no limit, with another engine. */
  maxEventsPerStream: 100_000,
  /** 0, no limit, with another engine. */
  maxStreams: 10_000,
  retentionDuration: 0,
  retention: Object.freeze({ keepForDurable: false }),
  snapshotInterval: 3_600_000,
  startTimeoutMs: 30_000,
  shutdownTimeoutMs: 10_000,
  metricsCollector: Object.freeze<MetricsCollector>({}),
  events: Object.freeze<AnyEventDefinitions[]>([]),
  unknownEvents: 'allow',
  logger: consoleLogger,
  clock: systemClock,
});

/** Options that were checked and filled in: limits of 0 have become Infinity, durations milliseconds. */
export interface CheckedEventStoreOptions {
  readonly name: string;
  readonly maxEventsPerStream: number;
  /** The default may still be taken away before the store is opened, as long as nobody has given another. */
  maxStreams: number;
  readonly hasDefaultMaxStreams: boolean;
  readonly retentionDurationMs: number;
  readonly keepForDurable: boolean;
  readonly snapshotIntervalMs: number;
  readonly startTimeoutMs: number;
  readonly shutdownTimeoutMs: number;
  readonly onExpire: EventStoreOptions['onExpire'];
  readonly metricsCollector: MetricsCollector;
  /** Undefined when the store knows no types. */
  readonly catalog: EventCatalog | undefined;
  readonly instrumentation: Instrumentation | undefined;
  readonly logger: StoreLogger;
  readonly clock: Clock;
}

const KNOWN_OPTIONS = [...Object.keys(DEFAULT_EVENT_STORE_OPTIONS), 'engine', 'onExpire', 'instrumentation'];

/**
 * Checks options once and fills in the defaults.
 *
 * @throws {ValidationError} that names the option
 */
export function checkOptions(options: EventStoreOptions): CheckedEventStoreOptions {
  checkMembers(options, 'options', KNOWN_OPTIONS);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const { onExpire, instrumentation, ...all } = {
    ...DEFAULT_EVENT_STORE_OPTIONS,
    ...defaultLimits(options.engine),
    ...(given as EventStoreOptions),
  };
  const name = options.name === undefined ? defaultStoreName(all.engine) : options.name;
  checkName(name, 'name');
  if (onExpire !== undefined && typeof onExpire !== 'function')
    throw new ValidationError('onExpire', 'give a function.');
  const logger = withMethods(all.logger, 'logger', ['warn', 'error']);
  if (all.engine !== undefined) withMethods(all.engine, 'engine', ['open', 'append', 'readStream', 'close']);
  return {
    name,
    maxEventsPerStream: toMaximum(all.maxEventsPerStream, 'maxEventsPerStream'),
    maxStreams: toMaximum(all.maxStreams, 'maxStreams'),
    hasDefaultMaxStreams: options.maxStreams === undefined,
    retentionDurationMs: toMilliseconds(all.retentionDuration, 'retentionDuration'),
    keepForDurable: checkRetention(all.retention),
    snapshotIntervalMs: toMilliseconds(all.snapshotInterval, 'snapshotInterval'),
    startTimeoutMs: toMilliseconds(all.startTimeoutMs, 'startTimeoutMs'),
    shutdownTimeoutMs: toMilliseconds(all.shutdownTimeoutMs, 'shutdownTimeoutMs'),
    onExpire: onExpire && boundToCaller(onExpire),
    metricsCollector: addCollector({}, withMethods(all.metricsCollector, 'metricsCollector', []), logger),
    instrumentation: instrumentation === undefined ? undefined : withMethods(instrumentation, 'instrumentation', []),
    catalog: checkEvents(all.events, all.unknownEvents),
    logger,
    clock: withMethods(all.clock, 'clock', ['now', 'setTimer']),
  };
}

/** What a store is called that was given no name: after its engine, as people look for it in logs and metrics. */
export function defaultStoreName(engine: { readonly name?: unknown } = { name: 'memory' }): string {
  return typeof engine?.name === 'string' && /^[\w.-]{1,100}$/.test(engine.name)
    ? `${engine.name}-store`
    : 'event-store';
}

/** What is kept in memory has to end somewhere; a database holds one stream for each order, whatever their number. */
function defaultLimits(engine: { readonly name?: unknown } | undefined) {
  return (engine?.name ?? 'memory') === 'memory' ? {} : { maxEventsPerStream: 0, maxStreams: 0 };
}

function checkRetention(retention: RetentionOptions): boolean {
  checkMembers(retention, 'retention', ['keepForDurable']);
  const { keepForDurable = DEFAULT_EVENT_STORE_OPTIONS.retention.keepForDurable } = retention;
  if (typeof keepForDurable !== 'boolean')
    throw new ValidationError('retention.keepForDurable', `${shown(keepForDurable)} is neither true nor false.`);
  return keepForDurable;
}

function toMaximum(limit: unknown, field: string): number {
  if (!Number.isSafeInteger(limit) || (limit as number) < 0) {
    throw new ValidationError(field, `${shown(limit)} is no limit: give a whole number, or 0 for no limit.`);
  }
  return limit === 0 ? Infinity : (limit as number);
}

function withMethods<Part extends object>(part: Part, field: string, methods: readonly (keyof Part & string)[]): Part {
  if ((typeof part !== 'object' && typeof part !== 'function') || part === null) {
    throw new ValidationError(field, `${shown(part)} is none: give an object.`);
  }
  for (const method of methods) {
    if (typeof part[method] !== 'function')
      throw new ValidationError(field, `it has no method ${method}(): give one that has.`);
  }
  return part;
}
