import type { AggregateOptions } from './aggregate-definition.js';

/** What `@Aggregate` leaves on a class. */
export interface AggregateMark {
  readonly category: string;
  readonly options: AggregateOptions;
}

// Found also by another copy of the package, such as that of a library in a monorepo.
const MARK = Symbol.for('nestjs-stream-store:aggregate');

/**
 * Declares a class that extends `AggregateRoot` an aggregate: its instances live in the streams `<category>-<id>`.
 *
 * It is no provider, and nothing is injected into it; its repository is, by `@InjectAggregates`, in modules that import
 * `EventSourcingModule.forFeature` with the class.
 *
 * @param category what the ids of its streams begin with: no `-`, no `*`, and no `$` at the beginning
 */
export function Aggregate(category: string, options: AggregateOptions = {}): ClassDecorator {
  return (target) => Reflect.defineMetadata(MARK, { category, options } satisfies AggregateMark, target);
}

/** The mark of a class, undefined when it has none of its own. */
export function aggregateMarkOf(target: object): AggregateMark | undefined {
  return Reflect.getOwnMetadata(MARK, target) as AggregateMark | undefined;
}
