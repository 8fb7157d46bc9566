import { Inject } from '@nestjs/common';
import type { AggregateDeclaration } from './definition-of.js';
import { getAggregatesToken } from './aggregates.tokens.js';

/**
 * Injects the repository of a kind of aggregates, an `Aggregates`, in modules that import `EventSourcingModule.forFeature`
 * with it.
 *
 * @param declaration the class, or the decider
 */
export function InjectAggregates(declaration: AggregateDeclaration): PropertyDecorator & ParameterDecorator {
  return Inject(getAggregatesToken(declaration));
}
