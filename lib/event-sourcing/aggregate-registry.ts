import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, type ModuleRef } from '@nestjs/core';
import { EventStoreRegistry } from '../nest/event-store.registry.js';
import { getEventStoreToken } from '../nest/event-store.tokens.js';
import { EventStore } from '../store/event-store.js';
import { internalsOf } from '../store/store-internals.js';
import { ValidationError } from '../store/values/errors.js';
import type { AggregateDefinition } from './aggregate-definition.js';
import { Aggregates } from './aggregates.js';
import { AGGREGATE_FEATURE, type AggregateFeature } from './aggregates.tokens.js';
import { definitionOf } from './definition-of.js';

/** What names the module in errors. */
export const FOR_FEATURE = 'EventSourcingModule.forFeature';

/** A kind of aggregates of the application. */
interface Registration {
  readonly definition: AggregateDefinition<unknown>;
  readonly feature: AggregateFeature;
  /** What is injected for the store; undefined when there is none. */
  readonly findStore: () => Promise<unknown>;
  readonly aggregates: Aggregates<unknown>;
}

/** The kinds of aggregates of one application, each with one repository, however often it is given to `forFeature`. */
@Injectable()
export class AggregateRegistry implements OnModuleInit {
  readonly #logger = new Logger('EventSourcingModule');
  readonly #registrations = new Map<unknown, Registration>();

  constructor(
    @Inject(EventStoreRegistry) private readonly stores: EventStoreRegistry,
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
  ) {
    // An aggregate is a stream: the limit that keeps a store in memory small would be reached by the 10 001st.
    stores.each((store) => {
      if (this.#hasAggregates(store)) internalsOf(store).liftDefaultMaxStreams();
    });
  }

  /**
   * The repository of a kind of aggregates.
   *
   * @param place where the declaration was given, for errors
   * @param moduleRef that of the module in which the store is looked for
   * @throws {ValidationError} when the declaration is not acceptable, or has another store elsewhere
   */
  register(declaration: unknown, place: string, feature: AggregateFeature, moduleRef: ModuleRef): Aggregates<unknown> {
    const known = this.#registrations.get(declaration);
    if (known) {
      if (known.feature.store === feature.store) return known.aggregates;
      throw new ValidationError(place, `"${known.definition.name}" was given with another store elsewhere: take one.`);
    }
    const definition = definitionOf(declaration, place);
    const findStore = () => this.stores.find(feature.store, moduleRef);
    const aggregates = new Aggregates<unknown>(definition, async () => {
      const store = await findStore();
      if (store instanceof EventStore) return store;
      throw new ValidationError(
        'store',
        'something else is in the place of the event store: override the repository, too.',
      );
    });
    this.#registrations.set(declaration, { definition, feature, findStore, aggregates });
    return aggregates;
  }

  /** @throws {ValidationError} when there is no such store, or aggregates cannot be kept in it */
  async onModuleInit(): Promise<void> {
    if (this.#registrations.size > 0) this.stores.checkNotEmpty(FOR_FEATURE);
    const byStore = new Map<EventStore, Map<string, string>>();
    for (const { definition, feature, findStore } of this.#registrations.values()) {
      const store = await this.#storeOf(definition, feature, findStore);
      if (!store) continue;
      const categories = byStore.get(store) ?? new Map<string, string>();
      byStore.set(store, categories);
      checkCategory(definition, categories);
      if (store.retentionDurationMs > 0 && !feature.allowRetention) throw expiring(definition, store);
      if (definition.snapshot && !supportsDocuments(store)) this.#sayNoSnapshots(definition, store);
    }
  }

  async #storeOf(
    { name }: AggregateDefinition<unknown>,
    feature: AggregateFeature,
    findStore: () => Promise<unknown>,
  ): Promise<EventStore | undefined> {
    const store = await findStore();
    if (store instanceof EventStore) return store;
    const called = feature.store === undefined ? 'event store' : `event store "${feature.store}"`;
    if (store === undefined)
      throw new ValidationError(
        `${FOR_FEATURE}.store`,
        `there is no ${called}: import EventStoreModule.forRoot() with it.`,
      );
    this.#logger.warn(`"${name}" has no repository: something else is in the place of the ${called}.`);
    return undefined;
  }

  #hasAggregates(store: EventStore): boolean {
    const tokens = this.stores.descriptionOf(store)?.tokens ?? [];
    return this.discovery
      .getProviders()
      .filter(({ token }) => token === AGGREGATE_FEATURE)
      .map(({ instance }) => (instance as AggregateFeature).store)
      .some((name) => name === undefined || tokens.includes(getEventStoreToken(name) as string));
  }

  #sayNoSnapshots({ name }: AggregateDefinition<unknown>, store: EventStore): void {
    this.#logger.warn(
      `"${name}" has no snapshots: the engine of store "${store.name}", ${store.engineName}, keeps no documents.`,
    );
  }
}

function checkCategory({ name, category }: AggregateDefinition<unknown>, categories: Map<string, string>): void {
  const other = categories.get(category);
  if (other !== undefined) {
    throw new ValidationError(
      FOR_FEATURE,
      `"${other}" and "${name}" both have the category "${category}", and so the same streams: give one another.`,
    );
  }
  categories.set(category, name);
}

function expiring({ name }: AggregateDefinition<unknown>, store: EventStore): ValidationError {
  return new ValidationError(
    FOR_FEATURE,
    `store "${store.name}" has a retentionDuration, and "${name}" cannot be loaded any more once its first events have ` +
      'expired: give aggregates a store of their own, or say allowRetention: true.',
  );
}

function supportsDocuments({ supports }: EventStore): boolean {
  return supports.documents === true;
}
