import type { RecordedEvent } from '../store/values/event.js';
import { ValidationError } from '../store/values/errors.js';
import type { EVENTS, EventTypeOf } from './event-map.js';

/** What the decorator needs of an aggregate root: which events it has. */
interface RootOf<Events> {
  readonly [EVENTS]?: Events;
}

type EventsOf<Root> = Root extends RootOf<infer Events> ? NonNullable<Events> : never;

/** The root itself where its events have the type; else something that it is not, so that the compiler says so. */
type RootWith<Root, Type extends string> = Type extends EventTypeOf<EventsOf<Root>> ? Root : UnknownType<Type>;

/** An event type that the aggregate does not have. */
interface UnknownType<Type extends string> {
  readonly 'there is no event of type': Type;
}

type DataOf<Root, Type extends string> = Type extends keyof EventsOf<Root> ? EventsOf<Root>[Type] : never;

/** Which methods of a prototype apply which events, by type. */
type Marks = ReadonlyMap<string, readonly string[]>;

// Found also by another copy of the package, such as that of a library in a monorepo.
const MARKS = Symbol.for('nestjs-stream-store:apply');

/**
 * Has the method change the state by events of a type: with their data, as a reader gets it, and the event.
 *
 * It is called when the event is recorded and each time it is loaded. So it decides nothing, asks nobody, and calls nothing
 * outside; what it answers counts for nothing, and a promise is refused. Repeatable: one method may apply several types. A
 * subclass that overrides the method need not repeat the decorator.
 */
export function Apply<Type extends string>(type: Type) {
  return <Root extends object, Method extends (data: DataOf<Root, Type>, event: RecordedEvent) => unknown>(
    prototype: Root & RootWith<Root, Type>,
    method: string,
    _descriptor: TypedPropertyDescriptor<Method>,
  ): void => {
    const marks = new Map(ownMarksOf(prototype));
    marks.set(type, [method, ...(marks.get(type) ?? [])]);
    Reflect.defineMetadata(MARKS, marks, prototype);
  };
}

function ownMarksOf(prototype: object): Marks {
  return (Reflect.getOwnMetadata(MARKS, prototype) as Marks | undefined) ?? new Map();
}

/**
 * The methods of a class and of those it extends that apply events, by type.
 *
 * @throws {ValidationError} when two methods apply one type, or something else is in the place of one
 */
export function appliersOf(target: abstract new (...args: never[]) => object): ReadonlyMap<string, string> {
  const appliers = new Map<string, string>();
  for (let level = target.prototype as object | null; level; level = Object.getPrototypeOf(level) as object | null) {
    for (const [type, methods] of ownMarksOf(level)) {
      for (const method of methods) {
        const other = appliers.get(type) ?? method;
        const place = `${target.name}.${String(method)}`;
        if (other !== method) {
          throw new ValidationError(
            `@Apply("${type}") on ${place}`,
            `"${other}" applies this type too: let one do it.`,
          );
        }
        const isMethod =
          typeof method === 'string' && typeof (target.prototype as Record<string, unknown>)[method] === 'function';
        if (!isMethod)
          throw new ValidationError(`@Apply("${type}") on ${place}`, 'it is no ordinary method: put it on one.');
        appliers.set(type, method);
      }
    }
  }
  return appliers;
}
