import type { Clock } from '../store/values/clock.js';
import { systemClock } from '../store/values/clock.js';
import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { shown } from '../store/values/names.js';

/** How often a failing event is tried, and how long to wait in between. */
export interface RetryOptions {
  /** How often in all; 1 means no second try. 1 to 1 000. Default 5 for a durable handler, else 1. */
  readonly attempts?: number;
  /** The longest wait before the second attempt, at least 0. Default 100. */
  readonly initialDelayMs?: number;
  /** The longest wait of all, at least 0. Default 30 000. */
  readonly maxDelayMs?: number;
  /** By how much the longest wait grows from attempt to attempt, at least 1. Default 2. */
  readonly factor?: number;
}

export const DEFAULT_RETRY_OPTIONS = Object.freeze({ attempts: 5, initialDelayMs: 100, maxDelayMs: 30_000, factor: 2 });

/** @throws {ValidationError} that names the option */
export function checkRetryOptions(options: RetryOptions, field: string, attempts: number): Required<RetryOptions> {
  checkMembers(options, field, Object.keys(DEFAULT_RETRY_OPTIONS));
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const checked: Required<RetryOptions> = { ...DEFAULT_RETRY_OPTIONS, attempts, ...given };
  if (!Number.isInteger(checked.attempts) || checked.attempts < 1 || checked.attempts > 1_000) {
    throw new ValidationError(`${field}.attempts`, `${shown(checked.attempts)} is not a whole number from 1 to 1 000.`);
  }
  for (const name of ['initialDelayMs', 'maxDelayMs'] as const) checkDelay(checked[name], `${field}.${name}`);
  if (!Number.isFinite(checked.factor) || checked.factor < 1) {
    throw new ValidationError(`${field}.factor`, `${shown(checked.factor)} is not a number, at least 1.`);
  }
  return checked;
}

/** @throws {ValidationError} unless the value is a number of milliseconds, at least 0 */
export function checkDelay(value: unknown, field: string): void {
  if (!Number.isFinite(value) || (value as number) < 0) {
    throw new ValidationError(field, `${shown(value)} is not a number of milliseconds, at least 0.`);
  }
}

/**
 * How long to wait after the attempt number `attempt` (from 1) failed: somewhere between nothing and a bound that grows
 * exponentially, so that events which failed together are not tried again together ("full jitter", M. Brooker, AWS).
 *
 * Written here because the libraries for it wait by themselves, with timers that no test can move; and the one whose
 * back-off can be had alone leaves out the factor when it adds jitter.
 */
export function retryDelayMs(
  attempt: number,
  { initialDelayMs, maxDelayMs, factor }: Required<RetryOptions>,
  clock: Clock,
): number {
  // Infinity times nothing would be no number.
  const growth = Math.min(factor ** (attempt - 1), Number.MAX_VALUE);
  const longest = Math.min(maxDelayMs, initialDelayMs * growth);
  return longest * (clock.random ?? systemClock.random)();
}
