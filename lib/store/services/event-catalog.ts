import { ValidationError } from '../values/errors.js';
import { kindOf, shown } from '../values/names.js';
import { wasChecked } from '../values/typed/checked-data.js';
import { type AnyEventDefinitions, isEventDefinitions } from '../values/typed/event-definitions.js';
import type { EventType } from '../values/typed/event-type.js';
import { checkBySchema } from '../values/typed/schema-check.js';
import { toJsonText } from '../values/json-text.js';
import type { NewEvent } from '../values/event.js';

/** What becomes of events whose type is not defined: they are appended as they are, or refused. */
export type UnknownEvents = 'allow' | 'refuse';

/** A type as the store knows it. */
export interface KnownType {
  /** Its name now. */
  readonly name: string;
  readonly type: EventType;
}

/** The data of an event that may be kept. */
export interface AcceptedData {
  /** JSON text. */
  readonly text: string;
  /** The version of its shape; undefined for 1. */
  readonly schemaVersion: number | undefined;
}

/** The types of events that a store knows: what may be appended, and what has become of former names and versions. */
export class EventCatalog {
  readonly #current = new Map<string, KnownType>();
  readonly #former = new Map<string, KnownType>();

  /** @throws {ValidationError} when a name is defined twice, or a schema shows that it is asynchronous */
  constructor(
    definitions: readonly AnyEventDefinitions[],
    private readonly unknown: UnknownEvents,
  ) {
    for (const { definitions: types } of definitions) {
      for (const [name, type] of types) this.#define(name, type);
    }
    for (const known of this.#current.values()) for (const alias of known.type.aliases) this.#alias(alias, known);
  }

  /** Whether events may be read as something else than was written. */
  get changesEvents(): boolean {
    return this.#former.size > 0 || [...this.#current.values()].some(({ type }) => type.version > 1);
  }

  /** What an event is that was written under a name, now or formerly; undefined when it is not known. */
  find(name: string): KnownType | undefined {
    return this.#current.get(name) ?? this.#former.get(name);
  }

  /** The types that are known, by the name that they have now. */
  get types(): ReadonlyMap<string, KnownType> {
    return this.#current;
  }

  /**
   * Checks the data of an event that is to be appended.
   *
   * @param place where the event stands, as the beginning of a path: empty, or `events[2].`
   * @throws {ValidationError} when the type is a former name, is not known and must be, or its schema refuses the data
   */
  accept(event: NewEvent<unknown>, place: string): AcceptedData {
    const known = this.#current.get(event.type);
    if (!known) {
      this.#refuseUnknown(event.type, place + 'type');
      return { text: toJsonText(event.data, place + 'data'), schemaVersion: undefined };
    }
    const { schema, version } = known.type;
    const schemaVersion = version === 1 ? undefined : version;
    if (!schema) return { text: toJsonText(event.data, place + 'data'), schemaVersion };
    const checked = wasChecked(event, known.type, place + 'data');
    if (checked !== undefined) return { text: checked, schemaVersion };
    return { text: toJsonText(checkBySchema(schema, event.data, place + 'data'), place + 'data'), schemaVersion };
  }

  #refuseUnknown(name: string, field: string): void {
    const former = this.#former.get(name);
    if (former) {
      throw new ValidationError(field, `"${name}" is a former name of "${former.name}": append it under that name.`);
    }
    if (this.unknown === 'refuse') {
      throw new ValidationError(field, `"${name}" is not defined, and unknownEvents is 'refuse': define it in events.`);
    }
  }

  #define(name: string, type: EventType): void {
    if (this.#current.get(name)?.type === type) return;
    if (this.#current.has(name))
      throw new ValidationError('events', `"${name}" is defined twice: take one of them out.`);
    if ((type.schema as { readonly async?: unknown } | undefined)?.async === true) {
      throw new ValidationError(`events["${name}"]`, 'its schema is asynchronous: give one that answers at once.');
    }
    this.#current.set(name, { name, type });
  }

  #alias(alias: string, known: KnownType): void {
    const other = this.#current.get(alias) ?? this.#former.get(alias);
    if (other && other !== known) {
      throw new ValidationError(
        'events',
        `"${alias}" stands for "${other.name}" and for "${known.name}": take one out.`,
      );
    }
    if (this.#current.has(alias)) {
      throw new ValidationError('events', `"${alias}" is its own former name: take it out of aliases.`);
    }
    this.#former.set(alias, known);
  }
}

/**
 * Checks what `events` and `unknownEvents` say.
 *
 * @returns undefined when there is nothing to know
 * @throws {ValidationError}
 */
export function checkEvents(events: unknown, unknownEvents: unknown): EventCatalog | undefined {
  if (unknownEvents !== 'allow' && unknownEvents !== 'refuse') {
    throw new ValidationError('unknownEvents', `${shown(unknownEvents)} is neither: give 'allow' or 'refuse'.`);
  }
  if (!Array.isArray(events)) {
    throw new ValidationError('events', `it is ${kindOf(events)}: give an array of what defineEvents() has answered.`);
  }
  events.forEach((each: unknown, index) => {
    if (!isEventDefinitions(each))
      throw new ValidationError(`events[${index}]`, `it is ${kindOf(each)}: give what defineEvents() has answered.`);
  });
  const definitions = events as AnyEventDefinitions[];
  if (definitions.length === 0 && unknownEvents === 'allow') return undefined;
  return new EventCatalog(definitions, unknownEvents);
}
