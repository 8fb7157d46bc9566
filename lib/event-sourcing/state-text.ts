import { ValidationError } from '../store/values/errors.js';
import { pathUnder } from '../store/values/json-text.js';

// What a state would lose as JSON is refused with its path, in the walk that writes the text. It is stricter than what an
// event may hold: nobody compares an event with what was appended, but a state has to go on as if it had never been away.

/** How deep a state may nest. */
const MAX_DEPTH = 512;

/** A way into a state: names and indexes. */
type Path = readonly (string | number)[];

export interface StateTextOptions {
  /**
   * Whether one object may stand at two places. It reads back as two, which matters to who changes it in place: then one
   * that is not frozen is refused.
   */
  readonly mayShare: boolean;
}

/**
 * The text of a state, which reads back equal.
 *
 * Members that are undefined, which JSON leaves out, are listed beside it.
 *
 * @param place names the state in errors, whose field is the path to what cannot be kept: `Account.openedAt`
 * @throws {ValidationError} for what would not read back equal: a `Date`, a `Map`, an object of a class, a function, NaN, a
 *   getter, a cycle, a hole or undefined in an array
 */
export function writeState(state: unknown, place: string, options: StateTextOptions): string {
  const writer = new StateWriter(place, options);
  const text = writer.write(state, []) ?? 'null';
  return writer.voids.length === 0 ? `[${text}]` : `[${text},${JSON.stringify(writer.voids)}]`;
}

/** As `writeState`, of the own fields of an instance: its class is known. */
export function writeFields(instance: object, place: string, isNoField: (member: string | symbol) => boolean): string {
  const members = Reflect.ownKeys(instance).filter((member) => !isNoField(member));
  const fields = Object.fromEntries(members.map((member) => [member, fieldOf(instance, member, place)]));
  const hidden = members.find((member) => typeof member === 'symbol');
  if (hidden) throw refusal(`${place}[${String(hidden)}]`, 'is a member under a symbol');
  return writeState(fields, place, { mayShare: false });
}

function fieldOf(instance: object, member: string | symbol, place: string): unknown {
  const descriptor = Object.getOwnPropertyDescriptor(instance, member)!;
  if (!('value' in descriptor)) throw refusal(pathUnder(place, String(member)), 'is an accessor');
  return descriptor.value;
}

/** What `writeState` was given: a new one each time. @throws what JSON.parse fails with */
export function readState(text: string): unknown {
  const [state, voids = []] = JSON.parse(text) as [unknown, Path[]?];
  let root = state;
  for (const path of voids) {
    const last = path.at(-1);
    if (last === undefined) {
      root = undefined;
      continue;
    }
    let holder = root as Record<string | number, unknown>;
    for (const name of path.slice(0, -1)) holder = holder[name] as Record<string | number, unknown>;
    define(holder, last, undefined);
  }
  return root;
}

/** Gives an instance the fields that `writeFields` has written, and no others. */
export function readFields(text: string, instance: object, isNoField: (member: string | symbol) => boolean): void {
  const fields = readState(text) as Record<string, unknown>;
  for (const member of Reflect.ownKeys(instance)) {
    if (!isNoField(member) && !Object.hasOwn(fields, member)) Reflect.deleteProperty(instance, member);
  }
  for (const [member, value] of Object.entries(fields)) define(instance, member, value);
}

/** Not by `=`, which calls setters: that of `__proto__`, and those of a class. */
function define(holder: object, member: string | number, value: unknown): void {
  Object.defineProperty(holder, member, { value, enumerable: true, configurable: true, writable: true });
}

class StateWriter {
  readonly voids: Path[] = [];
  readonly #above = new Set<object>();
  readonly #seen = new Set<object>();

  constructor(
    private readonly place: string,
    private readonly options: StateTextOptions,
  ) {}

  /** Undefined for undefined, which is listed. */
  write(value: unknown, path: Path): string | undefined {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return JSON.stringify(value);
      case 'number':
        if (!Number.isFinite(value)) return this.#refuse(path, `is ${value}`);
        return Object.is(value, -0) ? '-0' : String(value);
      case 'undefined':
        this.voids.push(path);
        return undefined;
      case 'object':
        return value === null ? 'null' : this.#writeObject(value, path);
      default:
        return this.#refuse(path, `is a ${typeof value}`);
    }
  }

  #writeObject(object: object, path: Path): string {
    if (this.#above.has(object)) return this.#refuse(path, 'refers back to an object that contains it');
    if (path.length >= MAX_DEPTH) return this.#refuse(path, `is nested more than ${MAX_DEPTH} levels deep`);
    if (!this.options.mayShare && !Object.isFrozen(object)) {
      if (this.#seen.has(object)) return this.#refuse(path, 'is the same object as at another place, and not frozen');
      this.#seen.add(object);
    }
    this.#above.add(object);
    const text = Array.isArray(object) ? this.#writeArray(object, path) : this.#writeMembers(object, path);
    this.#above.delete(object);
    return text;
  }

  #writeArray(array: readonly unknown[], path: Path): string {
    if (Object.getPrototypeOf(array) !== Array.prototype) return this.#refuse(path, 'is an array of a class');
    const members = Reflect.ownKeys(array);
    if (members.length > array.length + 1) return this.#refuse(path, 'has members besides its elements');
    const texts: string[] = [];
    for (let index = 0; index < array.length; index++) {
      const element = array[index];
      if (element === undefined)
        return this.#refuse([...path, index], 'is undefined, which JSON turns into null in an array');
      texts.push(this.write(element, [...path, index])!);
    }
    return `[${texts.join(',')}]`;
  }

  #writeMembers(object: object, path: Path): string {
    const prototype: unknown = Object.getPrototypeOf(object);
    if (!isObjectPrototype(prototype)) return this.#refuse(path, kindOfObject(object, prototype));
    const texts: string[] = [];
    for (const member of Reflect.ownKeys(object)) {
      if (typeof member === 'symbol') return this.#refuse(path, 'has a member under a symbol');
      const descriptor = Object.getOwnPropertyDescriptor(object, member)!;
      if (!('value' in descriptor)) return this.#refuse([...path, member], 'is an accessor');
      if (!descriptor.enumerable) return this.#refuse([...path, member], 'is hidden from JSON');
      const text = this.write(descriptor.value, [...path, member]);
      if (text !== undefined) texts.push(`${JSON.stringify(member)}:${text}`);
    }
    return `{${texts.join(',')}}`;
  }

  #refuse(path: Path, problem: string): never {
    const field = path.reduce<string>((above, member) => pathUnder(above, member), this.place);
    throw refusal(field, problem);
  }
}

/** Also that of another realm, which is where `structuredClone` gets its objects from inside Jest. */
function isObjectPrototype(prototype: unknown): boolean {
  if (prototype === Object.prototype) return true;
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, '__proto__')
  );
}

function kindOfObject(object: object, prototype: unknown): string {
  if (prototype === null) return 'is an object without a prototype';
  const name = (object.constructor as { readonly name?: string } | undefined)?.name;
  return `is a ${name || 'value of a class without a name'}`;
}

function refusal(field: string, problem: string): ValidationError {
  return new ValidationError(
    field,
    `it ${problem}, and a snapshot would not read back equal: keep plain data, or give toSnapshot() and fromSnapshot().`,
  );
}
