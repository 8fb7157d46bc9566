import { toMilliseconds, type Duration } from '../store/values/duration.js';
import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { checkName, shown } from '../store/values/names.js';

/** What counts as healthy, and how much of it is told. */
export interface EventStoreHealthOptions {
  /** Only the store of this name. Default all stores of the application. */
  readonly store?: string;
  /** How long a store may take to answer: milliseconds, or text such as `'2s'`. Default 1 second. */
  readonly timeout?: Duration;
  /** How much of `maxStreams` may be in use, from 0 to 1. Default 0.9. */
  readonly maxStreamsUsed?: number;
  /**
   * How much of `maxEventsPerStream` the fullest stream may use, from 0 to 1. Default any, and nobody looks: it takes a list
   * of all streams at each check.
   */
  readonly maxEventsPerStreamUsed?: number;
  /** How much memory of this process the engine may use, in bytes. Default any. */
  readonly maxMemoryBytes?: number;
  /** How many positions a handler may be behind. Default any. */
  readonly maxLag?: number;
  /** How long a handler that is behind may stay where it is: milliseconds, or text such as `'5m'`. Default 1 minute. */
  readonly stuckAfter?: Duration;
  /** How many dead letters may wait in a store. Default 0. */
  readonly maxDeadLetters?: number;
  /**
   * What it is when the stores answer and something else is wrong: `degraded`, the default, which Terminus 11 does not know
   * and shows as `up`; or `down`.
   */
  readonly problemsAre?: 'degraded' | 'down';
  /** Whether to tell what is wrong, and numbers of stores and handlers. Default false: the status only. */
  readonly details?: boolean;
}

export interface CheckedHealthOptions {
  readonly store: string | undefined;
  readonly timeoutMs: number;
  readonly maxStreamsUsed: number;
  readonly maxEventsPerStreamUsed: number | undefined;
  readonly maxMemoryBytes: number;
  readonly maxLag: number;
  readonly stuckAfterMs: number;
  readonly maxDeadLetters: number;
  readonly problemsAre: 'degraded' | 'down';
  readonly details: boolean;
}

const DEFAULTS = Object.freeze({
  timeout: 1_000,
  maxStreamsUsed: 0.9,
  maxMemoryBytes: Infinity,
  maxLag: Infinity,
  stuckAfter: 60_000,
  maxDeadLetters: 0,
  problemsAre: 'degraded',
  details: false,
});

/** @throws {ValidationError} that names the option */
export function checkHealthOptions(options: EventStoreHealthOptions): CheckedHealthOptions {
  checkMembers(options, 'options', ['store', 'maxEventsPerStreamUsed', ...Object.keys(DEFAULTS)]);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const { timeout, stuckAfter, store, maxEventsPerStreamUsed, ...checked } = {
    ...DEFAULTS,
    ...(given as EventStoreHealthOptions),
  };
  if (store !== undefined) checkName(store, 'store');
  for (const [name, value] of Object.entries({ ...checked, maxEventsPerStreamUsed })) {
    if (!name.startsWith('max') || value === undefined) continue;
    const most = name.endsWith('Used') ? 1 : Infinity;
    if (typeof value !== 'number' || !(value >= 0 && value <= most)) {
      throw new ValidationError(name, `${shown(value)} is no threshold: give a number from 0 to ${most}.`);
    }
  }
  if (checked.problemsAre !== 'degraded' && checked.problemsAre !== 'down') {
    throw new ValidationError('problemsAre', `${shown(checked.problemsAre)} is neither: give "degraded" or "down".`);
  }
  if (typeof checked.details !== 'boolean') {
    throw new ValidationError('details', `${shown(checked.details)} is no choice: give true or false.`);
  }
  return {
    ...checked,
    store,
    maxEventsPerStreamUsed,
    timeoutMs: toMilliseconds(timeout, 'timeout'),
    stuckAfterMs: toMilliseconds(stuckAfter, 'stuckAfter'),
  };
}
