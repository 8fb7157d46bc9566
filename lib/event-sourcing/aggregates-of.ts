import type { EventStore } from '../store/event-store.js';
import { Aggregates } from './aggregates.js';
import { type AggregateDeclaration, type DeclaredBy, definitionOf } from './definition-of.js';

/**
 * The repository of a kind of aggregates on a store, for programs without Nest. Keep it: it remembers states.
 *
 * @throws {ValidationError} when the declaration is not acceptable
 */
export function aggregatesOf<Declaration extends AggregateDeclaration>(
  store: EventStore,
  declaration: Declaration,
): Aggregates<DeclaredBy<Declaration>> {
  return new Aggregates(definitionOf(declaration, 'declaration'), () => Promise.resolve(store));
}
