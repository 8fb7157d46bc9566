import { ValidationError } from './errors.js';
import { shown } from './names.js';

/** Checks a position, or another count of events: a whole number, at least 0. */
export function checkPosition(position: unknown, field: string): asserts position is number {
  if (!Number.isSafeInteger(position) || (position as number) < 0) {
    throw new ValidationError(field, `${shown(position)} is no position: give a whole number, at least 0.`);
  }
}

/** The greatest number of events to read: `limit`, or no limit when it is 0 or less. */
export function toLimit(limit: unknown, field = 'limit'): number {
  if (!Number.isInteger(limit) && limit !== Infinity) {
    throw new ValidationError(field, `${shown(limit)} is no whole number: give one, or 0 for all.`);
  }
  return (limit as number) <= 0 ? Infinity : (limit as number);
}
