import { ValidationError } from '../store/values/errors.js';
import { kindOf } from '../store/values/names.js';
import type { AggregateDefinition } from './aggregate-definition.js';
import type { AggregateRoot } from './aggregate-root.js';
import { ClassDefinition } from './class-definition.js';
import type { AggregateClass } from './class-fold.js';
import { type Decider, deciderDefinitionOf } from './decider.js';

/** What declares a kind of aggregates: a class with `@Aggregate`, or what `decider` has made. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever events and state
export type AggregateDeclaration = (new () => AggregateRoot<any>) | Decider<any, any>;

/** What `Aggregates` and `given` call a declaration: the instances of a class, or the type of a decider. */
export type DeclaredBy<Declaration> = Declaration extends new () => infer Root ? Root : Declaration;

/** @param place where it was given, for the error @throws {ValidationError} when it is none, or not acceptable */
export function definitionOf(declaration: unknown, place: string): AggregateDefinition<unknown> {
  const decider = deciderDefinitionOf(declaration);
  if (decider) return decider;
  if (typeof declaration === 'function') return new ClassDefinition(declaration as AggregateClass);
  throw new ValidationError(place, `it is ${kindOf(declaration)}: give a class with @Aggregate, or a decider.`);
}
