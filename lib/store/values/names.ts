import { inspect, types } from 'node:util';
import { ValidationError } from './errors.js';

const LONGEST_NAME = 512;

// Control characters, and all surrogates: a quick look that lets nearly every name pass.
const MAY_BE_ILL_FORMED = /[\u0000-\u001f\u007f-\u009f\ud800-\udfff]/;

/**
 * Checks a stream id, an event type or an event id: 1 to 512 characters, well-formed Unicode, no control characters.
 *
 * Everything else is an ordinary name: `__proto__`, `../x`, `*`, `%2F`.
 */
export function checkName(name: unknown, field: string): asserts name is string {
  if (typeof name !== 'string' || name === '') {
    throw new ValidationError(field, `${name === '' ? 'it is empty' : `it is ${kindOf(name)}`}: give a text.`);
  }
  // Two code units can make one character, so only names longer than the limit need counting.
  if (name.length > LONGEST_NAME && (name.length > 2 * LONGEST_NAME || [...name].length > LONGEST_NAME)) {
    throw new ValidationError(field, `it has more than ${LONGEST_NAME} characters: give a shorter one.`);
  }
  if (MAY_BE_ILL_FORMED.test(name) && /[\p{Control}\p{Surrogate}]/u.test(name)) {
    throw new ValidationError(field, 'it has a control character or half of a surrogate pair: take it out.');
  }
}

/** The name, after `checkName`. */
export function checkedName(name: unknown, field: string): string {
  checkName(name, field);
  return name;
}

const DOLLAR = 36;

/** Whether a stream is one of the store's own, whose names begin with `$`. */
export function isOwnStream(streamId: string): boolean {
  return streamId.charCodeAt(0) === DOLLAR;
}

/** Checks the stream that an append goes to, which is none of the store's own. */
export function checkUserStreamId(streamId: unknown, field = 'streamId'): asserts streamId is string {
  checkName(streamId, field);
  if (isOwnStream(streamId)) {
    throw new ValidationError(field, `"${streamId}" begins with "$", as only the store's own streams do.`);
  }
}

/**
 * Checks the part of a stream's id before the first `-`.
 *
 * @param field names it in the error
 * @throws {ValidationError}
 */
export function checkCategory(category: unknown, field = 'category'): asserts category is string {
  checkName(category, field);
  if (/[-*]/.test(category)) {
    throw new ValidationError(
      field,
      `"${category}" has a "-" or a "*": its streams are called "<category>-<id>", so take them out.`,
    );
  }
  if (isOwnStream(category)) {
    throw new ValidationError(field, `"${category}" begins with "$", as only the store's own streams do.`);
  }
}

/** Says in words what a value is that should have been something else. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return `a value of type ${object(value)}`;
  return `a ${typeof value}`;
}

/** Any value, in a few characters, for an error message. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null && !types.isDate(value)) return kindOf(value);
  return inspect(value, { maxStringLength: 80 });
}

function object(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
