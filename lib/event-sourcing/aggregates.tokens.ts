import { ValidationError } from '../store/values/errors.js';
import { kindOf } from '../store/values/names.js';

/** What the module says of each `forFeature`, for the registry. */
export const AGGREGATE_FEATURE = Symbol('AGGREGATE_FEATURE');

/** One call of `EventSourcingModule.forFeature`. */
export interface AggregateFeature {
  /** The name of the store; undefined for the one that the class `EventStore` means. */
  readonly store: string | undefined;
  /** Whether the store may remove events by their age. */
  readonly allowRetention: boolean;
}

/** A token for each declaration, which is that of all applications. */
const tokens = new WeakMap<object, symbol>();

/**
 * The token under which the repository of a kind of aggregates is injected.
 *
 * @param declaration the class, or the decider
 */
export function getAggregatesToken(declaration: object): symbol {
  if ((typeof declaration !== 'object' && typeof declaration !== 'function') || declaration === null) {
    throw new ValidationError(
      '@InjectAggregates',
      `it is ${kindOf(declaration)}: give a class with @Aggregate or a decider, and import neither in a circle.`,
    );
  }
  let token = tokens.get(declaration);
  if (!token) tokens.set(declaration, (token = Symbol(`Aggregates<${nameOf(declaration)}>`)));
  return token;
}

function nameOf(declaration: object): string {
  const { name, category } = declaration as { readonly name?: string; readonly category?: string };
  return name ?? category ?? 'object';
}
