import { types } from 'node:util';
import { ValidationError } from './errors.js';
import { shown } from './names.js';

// A date, or a date and a time with an offset (ECMA-262, "Date Time String Format"). What `new Date` makes of any other
// text differs between programs: "1" is a day in 2001.
const ISO_8601 = /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/;

/** A point in time: a `Date`, milliseconds since 1970, or ISO 8601 text. */
export type Time = Date | number | string;

/**
 * A point in time as milliseconds since 1970.
 *
 * @throws {ValidationError} when it is no valid `Date`, no number of milliseconds and no ISO 8601 text
 */
export function toTime(time: unknown, field: string): number {
  const isTime = typeof time === 'number' || types.isDate(time) || (typeof time === 'string' && isIsoText(time));
  const ms = isTime ? new Date(time).getTime() : NaN;
  if (Number.isNaN(ms)) {
    throw new ValidationError(
      field,
      `Expected a time, got ${shown(time)}: give a Date, milliseconds since 1970, or ISO 8601 text such as "2024-01-01T00:00:00Z".`,
    );
  }
  return ms;
}

/**
 * When what is appended now is recorded: never before the last event, nor as one that has expired.
 *
 * @param recordedSince of the append; infinite when all or nothing has expired, which leaves no time to record at
 */
export function recordingTime(now: number, lastRecordedAt: number, recordedSince: number): number {
  return Math.max(now, lastRecordedAt, Number.isFinite(recordedSince) ? Math.ceil(recordedSince) : -Infinity);
}

function isIsoText(text: string): boolean {
  const [, year, month, day] = ISO_8601.exec(text) ?? [];
  if (year === undefined) return false;
  // `new Date` takes the 30th of February for the 1st of March. The calendar repeats itself every 400 years.
  const lastDay = new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate();
  return Number(day) <= lastDay;
}
