import { ValidationError } from '../errors.js';
import { createEvent, type NewEvent, type RecordedEvent } from '../event.js';
import { checkName, kindOf, shown } from '../names.js';
import type { SubscriptionTarget } from '../target.js';
import { toJsonText } from '../json-text.js';
import { EventType, isEventType } from './event-type.js';
import { noteChecked } from './checked-data.js';
import type { Jsonify } from './jsonify.js';
import { checkBySchema } from './schema-check.js';
import { isStandardSchema, type SchemaInput, type SchemaOutput, type StandardSchemaV1 } from './standard-schema.js';

/** What may be appended as the data of a type, and what a reader gets. */
export interface EventShape {
  readonly input: unknown;
  /** What is appended in its place: the same, or what the schema has answered. */
  readonly kept: unknown;
  readonly output: unknown;
}

/** By the name of the type. */
export type EventShapes = Readonly<Record<string, EventShape>>;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any data fits
type AnyEventType = EventType<any, any>;

/** What `defineEvents` takes: a schema or an `eventType`, by the name of the type. */
export type EventDefinitionMap = Readonly<Record<string, StandardSchemaV1 | AnyEventType>>;

/** The shapes that a map of definitions describes. */
export type ShapesOf<Map extends EventDefinitionMap> = {
  readonly [Type in keyof Map & string]: Map[Type] extends EventType<infer Input, infer Output>
    ? { readonly input: Input; readonly kept: Output; readonly output: Jsonify<Output> }
    : Map[Type] extends StandardSchemaV1
      ? {
          readonly input: SchemaInput<Map[Type]>;
          readonly kept: SchemaOutput<Map[Type]>;
          readonly output: Jsonify<SchemaOutput<Map[Type]>>;
        }
      : never;
};

/** Definitions of any events. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any shapes fit
export type AnyEventDefinitions = EventDefinitions<any>;

/** The names of the types that are defined. */
export type TypeOf<Definitions extends AnyEventDefinitions> =
  Definitions extends EventDefinitions<infer Shapes> ? keyof Shapes & string : never;

/**
 * What a reader gets: a union that `switch (event.type)` narrows.
 *
 * @example
 * ```ts
 * type OrderEvent = EventOf<typeof orderEvents>;
 * type Placed = EventOf<typeof orderEvents, 'order.placed'>;
 * ```
 */
export type EventOf<Definitions extends AnyEventDefinitions, Type extends TypeOf<Definitions> = TypeOf<Definitions>> =
  Definitions extends EventDefinitions<infer Shapes>
    ? { [Each in Type]: RecordedEvent<Shapes[Each]['output'], Each> }[Type]
    : never;

/** The data that a reader gets, by the name of the type: `{ 'order.placed': { euros: number }, … }`. */
export type DataOf<Definitions extends AnyEventDefinitions> =
  Definitions extends EventDefinitions<infer Shapes>
    ? { readonly [Type in keyof Shapes & string]: Shapes[Type]['output'] }
    : never;

/** The data that may be appended, by the name of the type. */
export type InputOf<Definitions extends AnyEventDefinitions> =
  Definitions extends EventDefinitions<infer Shapes>
    ? { readonly [Type in keyof Shapes & string]: Shapes[Type]['input'] }
    : never;

/** An event of the definitions, to append. */
export type NewEventOf<Definitions extends AnyEventDefinitions> =
  Definitions extends EventDefinitions<infer Shapes>
    ? { [Type in keyof Shapes & string]: EventToCreate<Shapes[Type], Type> }[keyof Shapes & string]
    : never;

/** Data may be left out where the type has none. */
type EventToCreate<Shape extends EventShape, Type extends string> = NewEvent<Shape['input'] | Shape['kept'], Type> &
  (undefined extends Shape['input'] ? unknown : { readonly data: Shape['input'] | Shape['kept'] });

/** What `create` answers. */
export type CreatedEvent<Shape extends EventShape, Type extends string> = NewEvent<Shape['kept'], Type> & {
  readonly id: string;
  readonly data: Shape['kept'];
};

/** Makes the events of a target or of a stream known to the compiler; there is no such member. */
export declare const EVENTS: unique symbol;

/** A target whose events are known to the compiler. */
export type TypedTarget<Event> = SubscriptionTarget & { readonly [EVENTS]: Event };

type CreateOptions = Pick<NewEvent, 'id' | 'metadata' | 'timestamp'>;

/** Data may be left out where the type has none. */
type CreateArguments<Input> = undefined extends Input
  ? [data?: Input, options?: CreateOptions]
  : [data: Input, options?: CreateOptions];

// Found also by another copy of the package, such as that of a library in a monorepo.
const IS_DEFINITIONS = Symbol.for('nestjs-stream-store.event-definitions');

/** Types of events that belong together, such as all of an order. Made by `defineEvents`. */
export class EventDefinitions<Shapes extends EventShapes> {
  /** @internal */
  readonly [IS_DEFINITIONS] = true;

  /** By the name of the type. */
  readonly definitions: ReadonlyMap<string, EventType>;

  /** @internal Use `defineEvents`. */
  constructor(definitions: ReadonlyMap<string, EventType>) {
    this.definitions = definitions;
  }

  /** The names of the types, in the order of their definition. */
  get types(): readonly (keyof Shapes & string)[] {
    return [...this.definitions.keys()];
  }

  /**
   * An event with an id of its own, whose data has been checked. What the schema answers becomes its data.
   *
   * @throws {ValidationError} when the type is not defined, the schema refuses the data, or JSON cannot hold what it answers
   */
  create<Type extends keyof Shapes & string>(
    type: Type,
    ...[data, options = {}]: CreateArguments<Shapes[Type]['input']>
  ): CreatedEvent<Shapes[Type], Type> {
    const definition = this.definitions.get(type);
    if (!definition) {
      throw new ValidationError('type', `${shown(type)} is not one of ${this.types.join(', ')}: define it first.`);
    }
    const kept: unknown = definition.schema ? checkBySchema(definition.schema, data, 'data') : data;
    const event = createEvent(type, kept, options) as CreatedEvent<Shapes[Type], Type>;
    noteChecked(event, definition, toJsonText(kept, 'data'));
    return event;
  }

  /**
   * The events of these types in all streams, for `@OnStreamEvent` and `subscribe`; of all types when none is named.
   *
   * @throws {ValidationError} when a type is not defined
   */
  on<Type extends keyof Shapes & string>(
    ...types: readonly Type[]
  ): TypedTarget<EventOf<EventDefinitions<Shapes>, Type>> {
    return typedTarget({ all: true, types: this.checkedTypes(types) });
  }

  /** @internal The types that were named, or all of them. @throws {ValidationError} when one is not defined */
  checkedTypes(types: readonly string[]): readonly string[] {
    for (const type of types) {
      if (!this.definitions.has(type))
        throw new ValidationError('types', `${shown(type)} is not one of ${this.types.join(', ')}: define it first.`);
    }
    return types.length > 0 ? types : this.types;
  }
}

/** Whether a value is what `defineEvents` has answered. */
export function isEventDefinitions(value: unknown): value is AnyEventDefinitions {
  return typeof value === 'object' && value !== null && IS_DEFINITIONS in value;
}

/** @internal Tells the compiler which events a target has. */
export function typedTarget<Event>(target: SubscriptionTarget): TypedTarget<Event> {
  return target as TypedTarget<Event>;
}

/**
 * Defines types of events: by a schema, which checks what is appended, or by `eventType`.
 *
 * @example
 * ```ts
 * const orderEvents = defineEvents({
 *   'order.placed': z.object({ euros: z.number() }),
 *   'order.paid': eventType<{ at: string }>(),
 * });
 * ```
 *
 * @throws {ValidationError} when a name is not acceptable, or a definition is neither a schema nor an `eventType`
 */
export function defineEvents<const Map extends EventDefinitionMap>(map: Map): EventDefinitions<ShapesOf<Map>> {
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new ValidationError('events', `it is ${kindOf(map)}: give an object with a definition for each type.`);
  }
  const definitions = new Map<string, EventType>();
  for (const [type, definition] of Object.entries(map)) {
    checkName(type, 'events');
    if (type.includes('*'))
      throw new ValidationError(`events["${type}"]`, 'a star stands for any characters in filters: take it out.');
    definitions.set(type, toEventType(definition, `events["${type}"]`));
  }
  if (definitions.size === 0) throw new ValidationError('events', 'it is empty: define at least one type.');
  return new EventDefinitions(definitions);
}

function toEventType(definition: unknown, field: string): EventType {
  if (isEventType(definition)) return definition;
  if (isStandardSchema(definition)) return new EventType(definition, {});
  throw new ValidationError(field, `it is ${kindOf(definition)}: give a Standard Schema, or eventType().`);
}
