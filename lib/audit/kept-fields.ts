import type { JsonValue } from '../store/event.js';
import type { AuditFields } from './audit-record.js';

/** What stands in the place of a value that must not be kept. */
export const REDACTED = '[redacted]';

const LONGEST_TEXT = 1_000;
const MOST_MEMBERS = 100;
const MOST_LEVELS = 6;

/** Names under which secrets stand, as words: also `newPassword`, `access_token`, `X-Api-Key` and `card.number`. */
const SECRET =
  /\b(pass(word|phrase|code|wd)|pwd|secrets?|tokens?|jwt|credentials?|authorization|cookies?|otp|pin|cvv|cvc|iban|ssn|(api|private|access|secret) ?key|card ?(number|no))\b/;

/**
 * What is let through of a value: the fields of the list and nothing else, redacted and within bounds, as JSON.
 *
 * @param source any value; nothing is kept of one that is no object
 * @param paths names, or paths such as `customer.id`
 * @param place what the paths begin with for `redact`: `body`
 */
export function keptFields(
  source: unknown,
  paths: readonly string[],
  place: string,
  redact: ((path: string, value: JsonValue) => JsonValue | undefined) | undefined,
): AuditFields | undefined {
  const kept: Record<string, JsonValue> = {};
  for (const path of paths) {
    const found = valueAt(source, path);
    if (found === undefined) continue;
    const value = copyOf(found, `${place}.${path}`, 1, redact);
    if (value !== undefined) kept[path] = value;
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function valueAt(source: unknown, path: string): unknown {
  let value = source;
  // A name may have dots in it.
  if (isObject(value) && Object.hasOwn(value, path)) return value[path];
  for (const name of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function copyOf(
  value: unknown,
  path: string,
  level: number,
  redact: ((path: string, value: JsonValue) => JsonValue | undefined) | undefined,
): JsonValue | undefined {
  const plain = SECRET.test(wordsOf(path)) ? REDACTED : plainOf(value);
  if (plain !== undefined) return redact ? redact(path, plain) : plain;
  if (level > MOST_LEVELS) return '[too deep]';
  const copies = Object.entries(value as object)
    .slice(0, MOST_MEMBERS)
    .map(([name, member]) => [name, copyOf(member, `${path}.${name}`, level + 1, redact)] as const)
    .filter((entry): entry is readonly [string, JsonValue] => entry[1] !== undefined);
  return Array.isArray(value) ? copies.map(([, copy]) => copy) : Object.fromEntries(copies);
}

/** A value that has no parts, as JSON; undefined for an array or an object, which have. */
function plainOf(value: unknown): JsonValue | undefined {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'string') return textOf(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  if (Array.isArray(value) || isPlain(value)) return undefined;
  return `[${typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value}]`;
}

/** `body.newPassword` as `body new password`. */
function wordsOf(path: string): string {
  const words = path.replace(/([a-z\d])([A-Z])/g, '$1 $2').replace(/[^A-Za-z\d]+/g, ' ');
  return words.toLowerCase();
}

function textOf(text: string): string {
  // Half of a surrogate pair is no character, and no store keeps it.
  const whole = text.slice(0, LONGEST_TEXT).replace(/\p{Surrogate}/gu, '\ufffd');
  return text.length > LONGEST_TEXT ? `${whole}…` : whole;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Also an instance of a class of data, which a validation pipe makes of a body; not a file, a buffer or a stream. */
function isPlain(value: unknown): boolean {
  return isObject(value) && Object.prototype.toString.call(value) === '[object Object]';
}
