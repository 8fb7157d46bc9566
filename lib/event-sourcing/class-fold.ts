import type { RecordedEvent } from '../store/values/event.js';
import { isPromise } from '../store/values/maybe-promise.js';
import type { StateFold } from './state-fold.js';
import { aggregateMarkOf } from './aggregate.decorator.js';
import { appliersOf } from './apply.decorator.js';

export type AggregateClass<Root extends object = object> = new () => Root;

const folds = new WeakMap<object, StateFold<object>>();

/**
 * How instances of a class follow from its events: by its methods with `@Apply`.
 *
 * @throws {ValidationError} when a decorator is used wrongly
 */
export function classFoldOf(target: AggregateClass): StateFold<object> {
  let fold = folds.get(target);
  if (!fold) folds.set(target, (fold = new ClassFold(target)));
  return fold;
}

class ClassFold implements StateFold<object> {
  readonly name: string;
  readonly ignoreUnknown: boolean;
  readonly #appliers: ReadonlyMap<string, string>;

  constructor(target: AggregateClass) {
    this.name = target.name;
    this.ignoreUnknown = aggregateMarkOf(target)?.options?.ignoreUnknown ?? false;
    this.#appliers = appliersOf(target);
  }

  knows(type: string): boolean {
    return this.#appliers.has(type);
  }

  unknownType(type: string): string {
    return `no method of ${this.name} applies "${type}": give one @Apply("${type}"), or say ignoreUnknown: true.`;
  }

  apply(state: object, event: RecordedEvent): object {
    const method = this.#appliers.get(event.type)!;
    const answer = (state as Record<string, (data: unknown, event: RecordedEvent) => unknown>)[method](
      event.data,
      event,
    );
    // What a method answers is not the state, unless it is a promise, which whoever calls has to see.
    return isPromise(answer) ? answer : state;
  }
}
