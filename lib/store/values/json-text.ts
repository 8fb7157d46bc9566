import { types } from 'node:util';
import { ValidationError } from './errors.js';

// What `JSON.stringify` would quietly change or lose is refused here, in the same walk that writes the text: a value that
// was checked first and written afterwards could answer differently the second time (a getter, a `toJSON`, a proxy).

/** How deep arrays and objects may nest. Reading back deeper text would exhaust the stack of recursive readers. */
const MAX_DEPTH = 128;

/** Where the writer stands: a list from the value being written up to the root. */
interface Place {
  readonly holder: object;
  readonly above: Place | undefined;
  readonly keyAbove: string | number;
  readonly depth: number;
}

/**
 * The JSON text of `value`, which reads back as an equal value.
 *
 * `toJSON` is honoured, `undefined` members are left out, `undefined` itself becomes null.
 *
 * @param field names the value in the error, whose field is the path to the part that JSON cannot hold: `data.items[2]`
 * @throws {ValidationError} for what JSON would change or lose: a BigInt, NaN, an infinity, a function, a symbol, a Map or
 *   an object with other hidden state, a cycle, a lone surrogate, a hole or `undefined` in an array, more than 128 levels;
 *   and for a text that is longer than a string can be
 */
export function toJsonText(value: unknown, field: string): string {
  try {
    return write(value, field, undefined, field) ?? 'null';
  } catch (error) {
    if (!isTooLong(error)) throw error;
    throw new ValidationError(
      field,
      'its JSON text is longer than a string can be: keep it elsewhere, and refer to it.',
      {
        cause: error,
      },
    );
  }
}

/** What the engine of JavaScript says when a string would become too long; by its words, as no code tells it. */
function isTooLong(error: unknown): boolean {
  return types.isNativeError(error) && error.name === 'RangeError' && error.message === 'Invalid string length';
}

/** The text of `value`, which stands under `key`; undefined when it is a member to be left out. */
function write(value: unknown, key: string | number, above: Place | undefined, field: string): string | undefined {
  switch (typeof value) {
    case 'string':
      return quote(value, key, above, field);
    case 'number':
      if (!Number.isFinite(value)) return refuse(`is ${value}, and JSON has no such number`, key, above, field);
      return Object.is(value, -0) ? '-0' : String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'undefined':
      return undefined;
    case 'object':
      return value === null ? 'null' : writeObject(value, key, above, field);
    default:
      return refuse(`is a ${typeof value}, which JSON cannot hold`, key, above, field);
  }
}

function writeObject(
  object: object,
  key: string | number,
  above: Place | undefined,
  field: string,
): string | undefined {
  try {
    const { toJSON } = object as { toJSON?: unknown };
    if (typeof toJSON !== 'function') return writeMembers(object, key, above, field);
    if (types.isDate(object) && Number.isNaN(object.getTime())) return refuse('is an invalid Date', key, above, field);
    // As in JSON.stringify, the toJSON of what it answers is not asked again.
    const stated: unknown = toJSON.call(object, above ? String(key) : '');
    if (typeof stated !== 'object' || stated === null) return write(stated, key, above, field);
    return writeMembers(stated, key, above, field);
  } catch (error) {
    if (error instanceof ValidationError || isTooLong(error)) throw error;
    return refuse('could not be read', key, above, field, error);
  }
}

function writeMembers(object: object, key: string | number, above: Place | undefined, field: string): string {
  for (let place = above; place; place = place.above) {
    if (place.holder === object) return refuse('refers back to an object that contains it', key, above, field);
  }
  const depth = above ? above.depth + 1 : 1;
  if (depth > MAX_DEPTH) return refuse(`is nested more than ${MAX_DEPTH} levels deep`, key, above, field);
  const here: Place = { holder: object, above, keyAbove: key, depth };

  const names = Object.keys(object);
  if (Reflect.ownKeys(object).length !== names.length + (Array.isArray(object) ? 1 : 0)) {
    return refuse('has a member that is hidden from JSON, such as one under a symbol', key, above, field);
  }
  if (Array.isArray(object)) {
    if (names.length > object.length) {
      return refuse(`has a member besides its elements, "${names.at(-1)}"`, key, above, field);
    }
    let text = '[';
    for (let index = 0; index < object.length; index++) {
      const element = write(memberOf(object, index, here, field), index, here, field);
      if (element === undefined)
        return refuse('is undefined, which JSON turns into null inside an array', index, here, field);
      text += index === 0 ? element : ',' + element;
    }
    return text + ']';
  }

  const hidden = hiddenState(object);
  if (hidden) return refuse(`${hidden}, which JSON would lose`, key, above, field);
  let text = '{';
  for (const name of names) {
    const member = write(memberOf(object, name, here, field), name, here, field);
    if (member !== undefined) text += (text === '{' ? '' : ',') + quote(name, name, here, field) + ':' + member;
  }
  return text + '}';
}

function memberOf(object: object, name: string | number, here: Place, field: string): unknown {
  try {
    return (object as Record<string | number, unknown>)[name];
  } catch (error) {
    return refuse('could not be read', name, here, field, error);
  }
}

/** Says what of an object its members do not show; undefined when they show all of it. */
function hiddenState(object: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === null || isObjectPrototype(prototype as object)) return undefined;
  const name = object.constructor?.name || 'class without a name';
  if (Object.prototype.toString.call(object) !== '[object Object]') return `is a ${name}`;
  return isTransparent(prototype as object) ? undefined : `is a ${name} with state that is not in its own fields`;
}

/** Also the `Object.prototype` of another realm, which is where `structuredClone` gets its objects from inside Jest. */
function isObjectPrototype(prototype: object): boolean {
  return (
    prototype === Object.prototype ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, '__proto__'))
  );
}

const transparentPrototypes = new WeakMap<object, boolean>();

/**
 * Whether all the state of a class shows in the fields of its instances, as it does in a data transfer object: neither
 * it nor a class it extends has an accessor, uses a private `#field`, or is built in.
 */
function isTransparent(prototype: object): boolean {
  if (isObjectPrototype(prototype)) return true;
  let answer = transparentPrototypes.get(prototype);
  if (answer === undefined) {
    const parent: unknown = Object.getPrototypeOf(prototype);
    answer =
      !Object.values(Object.getOwnPropertyDescriptors(prototype)).some((member) => 'get' in member) &&
      // A private field that holds something is used somewhere, as in `this.#cents`.
      !/\.#[\p{ID_Start}$_]|\[native code\]/u.test(String(prototype.constructor)) &&
      (parent === null || isTransparent(parent as object));
    transparentPrototypes.set(prototype, answer);
  }
  return answer;
}

// A character that JSON escapes, or half of a surrogate pair: only such a string needs more than quotation marks.
const NEEDS_CARE = /["\\\u0000-\u001f\ud800-\udfff]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

function quote(text: string, key: string | number, above: Place | undefined, field: string): string {
  if (!NEEDS_CARE.test(text)) return '"' + text + '"';
  if (LONE_SURROGATE.test(text)) {
    return refuse('has half of a surrogate pair, which is no character', key, above, field);
  }
  return JSON.stringify(text);
}

function refuse(
  problem: string,
  key: string | number,
  above: Place | undefined,
  field: string,
  cause?: unknown,
): never {
  const path = above ? pathTo(key, above, field) : field;
  throw new ValidationError(path, `it ${problem}: give what JSON can hold, or an object with a toJSON().`, { cause });
}

function pathTo(key: string | number, above: Place, field: string): string {
  return pathUnder(above.above ? pathTo(above.keyAbove, above.above, field) : field, key);
}

/** The path to a member or an element: `data.items`, `data.items[2]`, `data["first name"]`. */
export function pathUnder(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}
