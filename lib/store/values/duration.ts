import ms from 'ms';
import { ValidationError } from './errors.js';
import { shown } from './names.js';

/** Milliseconds, or text such as `'90s'`, `'30m'`, `'24h'` or `'7d'` (the forms of the package `ms`). */
export type Duration = number | string;

/**
 * The duration in milliseconds.
 *
 * @param field the option it was given for, named in the error
 * @throws {ValidationError} when it is negative, not finite, or text that is no duration
 */
export function toMilliseconds(duration: Duration, field: string): number {
  const value = typeof duration === 'string' ? parse(duration) : duration;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new ValidationError(
      field,
      `${shown(duration)} is not a duration: give milliseconds, at least 0, or text such as "30m", "24h" or "7d".`,
    );
  }
  return value;
}

function parse(text: string): number | undefined {
  try {
    return ms(text as ms.StringValue);
  } catch {
    // Empty and over-long text makes ms throw; the caller reports both like any other text that is no duration.
    return undefined;
  }
}
