import { types } from 'node:util';
import type { JsonValue } from '../store/values/event.js';
import { isSecretName, isSecretPair } from './secret-names.js';
import { isCardNumber, REDACTED, withoutSecrets, withoutTokens } from './secret-values.js';

const LONGEST_TEXT = 1_000;
const LONGEST_NAME = 200;
const MOST_MEMBERS = 100;
const MOST_LEVELS = 6;

/** Of one value with all that is in it: characters that are looked at, each member counting as some as well. */
const MOST_CHARACTERS = 32_768;
const MEMBER_CHARACTERS = 8;

/** What stands in the place of a value whose getter, `toJSON` or proxy throws. */
const UNREADABLE = '[unreadable]';

/** Under which the name of a field stands in a list of names and values, and in a JSON patch. */
const NAMES_OF_NAMES =
  /^(name|key|field|field_?name|id|label|property|prop|param|parameter|header|attribute|variable|path|pointer|k|n)$/i;
const NAMES_OF_VALUES =
  /^(values?|val|v|data|content|text|answer|input|default|(new|old)_?values?|to|before|after|current|previous)$/i;

/** How a value is copied. */
export interface CopyRules {
  /** Where the value stands, as a path: `body.customer`. Names in it count, as do those below. */
  readonly path: readonly string[];
  /** What becomes of each part that has no parts; undefined takes it out. */
  readonly redact?: ((path: string, value: JsonValue) => unknown) | undefined;
  /** Whether it says who somebody is: then long numbers are no card numbers. */
  readonly isIdentity?: boolean;
}

/**
 * A copy of any value that JSON can hold and every store keeps, within bounds and without secrets: whatever a caller has
 * sent, or an application answers. Undefined for undefined, and for what `redact` takes out.
 *
 * @throws what `redact` throws, and nothing besides
 */
export function keptValue(value: unknown, rules: CopyRules): JsonValue | undefined {
  try {
    return new Copy(rules).of(value);
  } catch (error) {
    throw error instanceof RedactionError ? error.cause : error;
  }
}

/** A text as a store keeps it: whole characters, and not too many. */
export function keptText(text: string, most = LONGEST_TEXT): string {
  // A character may be half beyond the end.
  const end = /[\ud800-\udbff]/.test(text.charAt(most - 1)) ? most - 1 : most;
  const start = wellFormed(text.slice(0, end));
  return text.length > most ? `${start}…` : start;
}

/** A text in which halves of surrogate pairs, which are no characters, have become U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

class Copy {
  #left = MOST_CHARACTERS;

  constructor(private readonly rules: CopyRules) {}

  of(value: unknown): JsonValue | undefined {
    if (value === undefined) return undefined;
    const { path } = this.rules;
    const isSecret = path.some((name, index) => isSecretAt(path.slice(0, index), name));
    return this.#copy(value, path, isSecret, []);
  }

  /** @param holders the objects that the value is in, from the outermost */
  #copy(value: unknown, path: readonly string[], isSecret: boolean, holders: readonly object[]): JsonValue | undefined {
    const plain = isSecret ? REDACTED : this.#plain(value, holders);
    if (typeof plain !== 'object' || plain === null) return this.#redacted(path, plain);
    if (holders.length >= MOST_LEVELS) return '[too deep]';
    try {
      return Array.isArray(plain) ? this.#list(plain, path, holders) : this.#object(plain, path, holders);
    } catch (error) {
      if (error instanceof RedactionError) throw error;
      return UNREADABLE;
    }
  }

  /** What the application makes of a part; it may answer anything. */
  #redacted(path: readonly string[], plain: JsonValue): JsonValue | undefined {
    const { redact } = this.rules;
    if (!redact) return plain;
    let answer: unknown;
    try {
      answer = redact(path.join('.'), plain);
    } catch (error) {
      throw new RedactionError(error);
    }
    return answer === plain ? plain : keptValue(answer, { path: [] });
  }

  #list(list: readonly unknown[], path: readonly string[], holders: readonly object[]): JsonValue {
    const copies: JsonValue[] = [];
    const isRaw = /^raw_?headers$/i.test(path.at(-1) ?? '');
    const isPair = list.length === 2 && Array.isArray(holders.at(-1));
    for (let index = 0; index < Math.min(list.length, MOST_MEMBERS); index++) {
      const isValue = index % 2 === 1 && (isRaw || isPair);
      const isSecret = isValue && isNameOfSecret(memberOf(list, index - 1));
      const copy = this.#copy(memberOf(list, index), [...path, String(index)], isSecret, [...holders, list]);
      if (copy !== undefined) copies.push(copy);
    }
    return copies;
  }

  #object(object: object, path: readonly string[], holders: readonly object[]): JsonValue {
    const copies = new Map<string, JsonValue>();
    const names = Object.keys(object);
    const namesSecret = names
      .slice(0, MOST_MEMBERS)
      .some((name) => NAMES_OF_NAMES.test(name) && isNameOfSecret(memberOf(object, name)));
    for (const name of names.slice(0, MOST_MEMBERS)) {
      const value = memberOf(object, name);
      if (value === undefined) continue;
      this.#left -= Math.min(name.length, LONGEST_NAME);
      let keptName = keptText(withoutSecrets(name.slice(0, 2 * LONGEST_NAME)), LONGEST_NAME);
      // Two names may have become one.
      while (copies.has(keptName)) keptName += '′';
      const isSecret = isSecretAt(path, name.slice(0, LONGEST_NAME)) || (namesSecret && NAMES_OF_VALUES.test(name));
      const copy = this.#copy(value, [...path, keptName], isSecret, [...holders, object]);
      if (copy !== undefined) copies.set(keptName, copy);
    }
    if (names.length > MOST_MEMBERS) copies.set('…', `${names.length - MOST_MEMBERS} more`);
    return Object.fromEntries(copies);
  }

  /** A value that has no parts, as JSON; an array or an object, which have, as it is. */
  #plain(value: unknown, holders: readonly object[]): JsonValue | object {
    this.#left -= MEMBER_CHARACTERS;
    if (this.#left < 0) return '[too large]';
    switch (typeof value) {
      case 'boolean':
        return value;
      case 'number':
        if (!Number.isFinite(value)) return String(value);
        return !this.rules.isIdentity && isCardNumber(String(value)) ? REDACTED : value;
      case 'bigint':
        return this.#text(String(value));
      case 'string':
        return this.#text(value);
      case 'object':
        return value === null ? null : this.#stated(value, holders);
      default:
        return `[${typeof value}]`;
    }
  }

  #text(text: string): string {
    // A secret may begin before the place where the text is cut.
    const looked = text.slice(0, 2 * LONGEST_TEXT);
    this.#left -= looked.length;
    const kept = keptText(this.rules.isIdentity ? withoutTokens(looked) : withoutSecrets(looked));
    return text.length > looked.length && !kept.endsWith('…') ? `${kept}…` : kept;
  }

  /** What an object says that it is, by its `toJSON`; else itself, or its type when it is more than its members. */
  #stated(object: object, holders: readonly object[]): JsonValue | object {
    if (holders.includes(object)) return '[circular]';
    try {
      if (types.isDate(object)) return Number.isNaN(object.getTime()) ? '[Date]' : object.toISOString();
      if (Array.isArray(object)) return object as readonly unknown[];
      const { toJSON } = object as { toJSON?: unknown };
      if (typeof toJSON !== 'function' || ArrayBuffer.isView(object)) return isPlain(object) ? object : typeOf(object);
      const stated: unknown = toJSON.call(object, '');
      if (typeof stated !== 'object' || stated === null) return this.#plain(stated, holders);
      return Array.isArray(stated) || isPlain(stated) ? stated : typeOf(stated);
    } catch {
      return UNREADABLE;
    }
  }
}

/** Tells what the application's own function has thrown from what an object throws when it is read. */
class RedactionError extends Error {
  constructor(cause: unknown) {
    super('redact failed', { cause });
  }
}

function isSecretAt(path: readonly string[], name: string): boolean {
  const parent = path.findLast((above) => !/^\d+$/.test(above));
  return isSecretName(name) || (parent !== undefined && isSecretPair(parent, name));
}

/** Whether a text is the name of a secret, or a path to one. */
function isNameOfSecret(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > LONGEST_NAME) return false;
  return [value, ...value.split(/[/.]/)].some(isSecretName);
}

function memberOf(object: object, name: string | number): unknown {
  try {
    return (object as Record<string | number, unknown>)[name];
  } catch {
    return UNREADABLE;
  }
}

/** Also an instance of a class of data, which a validation pipe makes of a body; not a file, a buffer or a stream. */
function isPlain(object: object): boolean {
  return Object.prototype.toString.call(object) === '[object Object]';
}

function typeOf(object: object): string {
  const { name } = (object.constructor ?? {}) as { name?: unknown };
  return `[${typeof name === 'string' && name !== '' ? keptText(name, LONGEST_NAME) : 'object'}]`;
}
