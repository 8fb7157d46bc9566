import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, ModuleRef } from '@nestjs/core';
import { ValidationError } from '../store/errors.js';
import { DEFAULT_EVENT_STORE_OPTIONS } from '../store/event-store-options.js';
import type { EventStore } from '../store/event-store.js';
import { EVENT_STORE_DESCRIPTION, getEventStoreToken } from './event-store.tokens.js';

/** What one import of `EventStoreModule` brings into the application. */
export interface EventStoreDescription {
  readonly name: string;
  readonly isGlobal: boolean;
}

/** The event stores of one application. */
@Injectable()
export class EventStoreRegistry {
  readonly #stores = new Map<string, EventStore>();
  readonly #visitors: ((store: EventStore) => void)[] = [];
  #resolvePrimary!: (store: EventStore) => void;
  readonly #primary = new Promise<EventStore>((resolve) => (this.#resolvePrimary = resolve));

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /** @throws {ValidationError} when the application already has a store of this name */
  register(store: EventStore): EventStore {
    if (this.#stores.has(store.name)) {
      throw new ValidationError('name', `two event stores are named "${store.name}": give one of them another name.`);
    }
    store.rememberHead();
    this.#stores.set(store.name, store);
    for (const visit of this.#visitors) visit(store);
    return store;
  }

  /** Shows a visitor every store: those there are at once, and each that is made later before it is opened. */
  each(visit: (store: EventStore) => void): void {
    this.#visitors.push(visit);
    this.all().forEach(visit);
  }

  /** @param asker who needs a store @throws {ValidationError} when the application has none */
  checkNotEmpty(asker: string): void {
    if (this.#stores.size > 0) return;
    throw new ValidationError(
      asker,
      'there is no event store: import EventStoreModule.forRoot() into the root module.',
    );
  }

  /** The stores that the application has made, and closes. */
  all(): EventStore[] {
    return [...this.#stores.values()];
  }

  /**
   * What is injected for a store: the store, or what a test has put in its place; undefined when there is none.
   *
   * @param name left out, what the class `EventStore` means
   * @param imports the modules that the asking module imports, which may have a store of their own
   */
  find(name: string | undefined, imports: Iterable<ImportedModule>): unknown {
    try {
      return this.moduleRef.get<unknown>(getEventStoreToken(name ?? ownName(imports)), { strict: false });
    } catch {
      return undefined;
    }
  }

  /**
   * What the class `EventStore` means in the whole application.
   *
   * @param name of a store that is made already
   */
  primary(name: string, own: EventStore): EventStore | Promise<EventStore> {
    // Nest makes the modules side by side, so the primary one may still be on its way.
    if (name !== this.#primaryName()) return this.#primary;
    this.#resolvePrimary(own);
    return own;
  }

  #primaryName(): string | undefined {
    const descriptions = this.discovery
      .getProviders()
      .filter((wrapper) => wrapper.token === EVENT_STORE_DESCRIPTION)
      .map((wrapper) => wrapper.instance as EventStoreDescription);
    const candidates = descriptions.filter(({ isGlobal }) => isGlobal);
    return (candidates.find(({ name }) => name === DEFAULT_EVENT_STORE_OPTIONS.name) ?? candidates[0])?.name;
  }
}

/** The part of Nest's module that tells what it provides. */
export interface ImportedModule {
  readonly providers: ReadonlyMap<unknown, { readonly instance: unknown }>;
}

/** The name of a store that is imported with `isGlobal: false`. */
function ownName(imports: Iterable<ImportedModule>): string | undefined {
  for (const { providers } of imports) {
    const description = providers.get(EVENT_STORE_DESCRIPTION)?.instance as EventStoreDescription | undefined;
    if (description?.isGlobal === false) return description.name;
  }
  return undefined;
}
