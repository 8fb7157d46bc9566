import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { checkName, kindOf, shown } from '../store/values/names.js';
import { AggregateRegistry, FOR_FEATURE } from './aggregate-registry.js';
import { AGGREGATE_FEATURE, type AggregateFeature, getAggregatesToken } from './aggregates.tokens.js';
import type { AggregateDeclaration } from './definition-of.js';
import { EventSourcingCoreModule } from './event-sourcing-core.module.js';

export interface EventSourcingFeatureOptions {
  /** The name of the store. Default the store that the class `EventStore` means. */
  readonly store?: string;
  /**
   * Whether the store may have a `retentionDuration`: what expires first are the first events, and then an aggregate cannot be
   * loaded any more. Default false: such a store is refused.
   */
  readonly allowRetention?: boolean;
}

/**
 * Lets a module inject repositories of aggregates: `EventSourcingModule.forFeature([Account, cart])`. Imported by each module
 * that has aggregates; the same one given several times has one repository.
 */
@Module({})
export class EventSourcingModule {
  /**
   * @param declarations classes with `@Aggregate`, and deciders
   * @throws {ValidationError} while the application starts, when one of them or an option is not acceptable, two have one
   *   category, or the store would remove their events
   */
  static forFeature(
    declarations: readonly AggregateDeclaration[],
    options: EventSourcingFeatureOptions = {},
  ): DynamicModule {
    const given: readonly unknown[] = Array.isArray(declarations) ? declarations : [declarations];
    const feature: AggregateFeature = { store: options?.store, allowRetention: options?.allowRetention ?? false };
    const repositories = given.map((declaration, index) =>
      repositoryOf(declaration, `${FOR_FEATURE}[${index}]`, feature),
    );
    return {
      module: EventSourcingModule,
      imports: [EventSourcingCoreModule],
      providers: [
        { provide: AGGREGATE_FEATURE, useValue: feature },
        { provide: Symbol('CHECKED_FEATURE'), useFactory: () => checkGiven(declarations, options) },
        ...repositories,
      ],
      exports: repositories.map(({ provide }) => provide),
    };
  }
}

function repositoryOf(declaration: unknown, place: string, feature: AggregateFeature): FactoryProvider {
  const isObject = (typeof declaration === 'object' || typeof declaration === 'function') && declaration !== null;
  return {
    // What is no declaration at all is refused when the application starts, by its place.
    provide: isObject ? getAggregatesToken(declaration) : Symbol(place),
    useFactory: (registry: AggregateRegistry, moduleRef: ModuleRef) =>
      registry.register(declaration, place, feature, moduleRef),
    inject: [AggregateRegistry, ModuleRef],
  };
}

function checkGiven(declarations: unknown, options: EventSourcingFeatureOptions): true {
  if (!Array.isArray(declarations))
    throw new ValidationError(FOR_FEATURE, `it is ${kindOf(declarations)}: give an array of aggregates.`);
  checkMembers(options, FOR_FEATURE, ['store', 'allowRetention']);
  const { store, allowRetention = false } = options;
  if (store !== undefined) checkName(store, `${FOR_FEATURE}.store`);
  if (typeof allowRetention !== 'boolean')
    throw new ValidationError(`${FOR_FEATURE}.allowRetention`, `${shown(allowRetention)} is neither true nor false.`);
  return true;
}
