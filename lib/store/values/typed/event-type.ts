import { ValidationError } from '../errors.js';
import { checkMembers } from '../known-members.js';
import { checkName, kindOf, shown } from '../names.js';
import { isStandardSchema, type SchemaInput, type SchemaOutput, type StandardSchemaV1 } from './standard-schema.js';

/** How data of one version becomes data of the next. Gets frozen data, and answers what JSON can hold, at once. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what was written once has no type any more
export type Upcast = (data: any) => unknown;

export interface EventTypeOptions {
  /** The version of the data that is written now: a whole number, at least 1, the default. */
  readonly version?: number;
  /** One for each version before this one, by the version that it begins with: `{ 1: toVersion2, 2: toVersion3 }`. */
  readonly upcasts?: Readonly<Record<number, Upcast>>;
  /** Former names of the type: events under them are read as events of this type, and none is written any more. */
  readonly aliases?: readonly string[];
}

/** Makes the two types known to the compiler; there is no such member. */
declare const DATA: unique symbol;

// Found also by another copy of the package, such as that of a library in a monorepo.
const IS_EVENT_TYPE = Symbol.for('nestjs-stream-store.event-type');

/** What is known of one type of event. Made by `eventType`. */
export class EventType<Input = unknown, Output = Input> {
  /** @internal */
  readonly [IS_EVENT_TYPE] = true;

  declare readonly [DATA]: { readonly input: Input; readonly output: Output };
  readonly schema: StandardSchemaV1 | undefined;
  readonly version: number;
  readonly upcasts: Readonly<Record<number, Upcast>>;
  readonly aliases: readonly string[];

  /** @internal Use `eventType`. */
  constructor(schema: StandardSchemaV1 | undefined, options: EventTypeOptions) {
    checkMembers(options, 'options', ['version', 'upcasts', 'aliases']);
    const { version = 1, upcasts = {}, aliases = [] } = options;
    if (!Number.isSafeInteger(version) || version < 1) {
      throw new ValidationError('version', `${shown(version)} is no version: give a whole number from 1.`);
    }
    this.schema = schema;
    this.version = version;
    this.upcasts = checkedUpcasts(upcasts, version);
    this.aliases = checkedAliases(aliases);
  }
}

/**
 * Describes a type of event by a schema, or by its type alone, for `defineEvents`.
 *
 * @example
 * ```ts
 * const paid = eventType<{ at: string }>(); // nothing is checked at run time
 * ```
 *
 * @param schema of the data as it is written now: any Standard Schema that answers at once. What it answers is kept
 * @throws {ValidationError} when a version has no upcast, or an option is not acceptable
 */
export function eventType<Schema extends StandardSchemaV1>(
  schema: Schema,
  options?: EventTypeOptions,
): EventType<SchemaInput<Schema>, SchemaOutput<Schema>>;
export function eventType<Data>(options?: EventTypeOptions): EventType<Data, Data>;
export function eventType(first?: StandardSchemaV1 | EventTypeOptions, second?: EventTypeOptions): EventType {
  return isStandardSchema(first) ? new EventType(first, second ?? {}) : new EventType(undefined, first ?? {});
}

/** Whether a value is what `eventType` has answered. */
export function isEventType(value: unknown): value is EventType {
  return typeof value === 'object' && value !== null && IS_EVENT_TYPE in value;
}

function checkedUpcasts(upcasts: Readonly<Record<number, Upcast>>, version: number): Readonly<Record<number, Upcast>> {
  if (typeof upcasts !== 'object' || upcasts === null) {
    throw new ValidationError('upcasts', `it is ${kindOf(upcasts)}: give an object with a function for each version.`);
  }
  for (const from of Object.keys(upcasts)) {
    const isBefore = /^[1-9]\d*$/.test(from) && Number(from) < version;
    if (!isBefore) {
      throw new ValidationError('upcasts', `there is no version ${from} before version ${version}: take it out.`);
    }
  }
  for (let from = 1; from < version; from++) {
    if (typeof upcasts[from] === 'function') continue;
    throw new ValidationError(
      `upcasts[${from}]`,
      `nothing leads from version ${from} to ${from + 1}: give a function.`,
    );
  }
  return Object.freeze({ ...upcasts });
}

function checkedAliases(aliases: readonly string[]): readonly string[] {
  if (!Array.isArray(aliases))
    throw new ValidationError('aliases', `it is ${kindOf(aliases)}: give an array of texts.`);
  aliases.forEach((alias, index) => checkName(alias, `aliases[${index}]`));
  return Object.freeze([...(aliases as readonly string[])]);
}
