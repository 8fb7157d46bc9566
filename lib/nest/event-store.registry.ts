import { Inject, Injectable, type InjectionToken, type OptionalFactoryDependency } from '@nestjs/common';
import { DiscoveryService, ModuleRef } from '@nestjs/core';
import { ValidationError } from '../store/values/errors.js';
import { EventStore } from '../store/event-store.js';
import { internalsOf } from '../store/store-internals.js';
import {
  EVENT_STORE_DESCRIPTION,
  type EventStoreDescription,
  getEventStoreToken,
  OWN_EVENT_STORE,
} from './event-store.tokens.js';
import { localStoresOf } from './local-stores.js';
import { storeInjectedIn } from './injected-store.js';

/** How a provider is made, as Nest says. */
interface Provided {
  readonly token: InjectionToken;
  /** Null for a value. */
  readonly metatype: unknown;
  readonly inject?: readonly (InjectionToken | OptionalFactoryDependency)[] | null;
  readonly instance: unknown;
}

interface StoreModule {
  readonly description: EventStoreDescription;
  readonly providers: ReadonlyMap<unknown, Provided>;
}

/** Told of a store. @param isStandIn whether a test has put it in the place of one that was configured */
type Visitor = (store: EventStore, isStandIn: boolean) => void;

/**
 * The event stores of one application.
 *
 * A test may put something else in the place of a store, by the class or by a token. Then the one that was configured is
 * never opened; and what stands in for it, if it is a store, has handlers and is looked after as any other, but opened
 * and closed by whoever made it.
 */
@Injectable()
export class EventStoreRegistry {
  /** Those that the application has made. */
  readonly #made = new Map<EventStore, EventStoreDescription>();
  /** Those among them that something else is in the place of. */
  readonly #replaced = new Set<EventStore>();
  readonly #standIns = new Map<EventStore, EventStoreDescription>();
  readonly #visitors: Visitor[] = [];
  #resolvePrimary!: (store: EventStore) => void;
  readonly #primary = new Promise<EventStore>((resolve) => (this.#resolvePrimary = resolve));

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /**
   * Makes the store of an import of the module, unless a test has put a value in its place.
   *
   * @throws {ValidationError} when the application already has a store of this name
   */
  make(description: EventStoreDescription, create: () => EventStore): unknown {
    const override = this.#overrideOf(description);
    if (override?.metatype === null) return override.instance;
    const store = create();
    this.#checkName(store.name, description);
    this.#made.set(store, description);
    if (override) {
      this.#replaced.add(store);
    } else {
      internalsOf(store).rememberHead();
      for (const visit of this.#visitors) visit(store, false);
    }
    return store;
  }

  /** Shows a visitor every store: those there are at once, and each that comes later before it is opened. */
  each(visit: Visitor): void {
    this.#visitors.push(visit);
    for (const store of this.own()) visit(store, false);
    for (const store of this.#standIns.keys()) visit(store, true);
  }

  /** Finds the stores that a test has put in the place of others. To be called when all providers are made. */
  findStandIns(): void {
    for (const { description, providers } of this.#modules()) {
      for (const token of this.#tokensOf(description)) {
        const provided = providers.get(token);
        if (!provided || !isOverride(description, provided)) continue;
        const { instance } = provided;
        if (!(instance instanceof EventStore) || this.#made.has(instance) || this.#standIns.has(instance)) continue;
        this.#standIns.set(instance, description);
        for (const visit of this.#visitors) visit(instance, true);
      }
    }
  }

  /** @param asker who needs a store @throws {ValidationError} when the application has none */
  checkNotEmpty(asker: string): void {
    if (this.#modules().length > 0) return;
    throw new ValidationError(
      asker,
      'there is no event store: import EventStoreModule.forRoot() into the root module.',
    );
  }

  /** The stores that the application works with. */
  all(): EventStore[] {
    return [...this.own(), ...this.#standIns.keys()];
  }

  /** Whether something else is in the place of the store that was configured by this name; of any, when it is left out. */
  isReplaced(name: string | undefined): boolean {
    return this.#modules().some(({ description }) => {
      const isAsked = name === undefined || description.tokens.includes(getEventStoreToken(name) as string);
      return isAsked && this.#overrideOf(description) !== undefined;
    });
  }

  /** Those among them that it has made, and opens. */
  own(): EventStore[] {
    return [...this.#made.keys()].filter((store) => !this.#replaced.has(store));
  }

  /** Closes what the application has made; also what it has not opened, as somebody else may have. */
  async closeOwn(): Promise<void> {
    const ends = await Promise.allSettled([...this.#made.keys()].map((store) => store.close()));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** What its module was told of a store; undefined when it comes from no module. */
  descriptionOf(store: EventStore): EventStoreDescription | undefined {
    return this.#made.get(store) ?? this.#standIns.get(store);
  }

  /**
   * What is injected for a store in a module: the store, or what a test has put in its place; undefined when there is none.
   *
   * @param name left out, what the class `EventStore` means there
   * @param moduleRef that of the module
   * @throws {ValidationError} when it could be one of several
   */
  async find(name: string | undefined, moduleRef: ModuleRef = this.moduleRef): Promise<unknown> {
    const token = getEventStoreToken(name);
    if (name === undefined) this.#checkIsClear(moduleRef);
    const injected = await storeInjectedIn(moduleRef, token);
    if (injected !== undefined) return injected;
    const known = this.#modules().map(({ description }) => description);
    if (name !== undefined)
      return known.some(({ tokens }) => tokens.includes(token as string)) ? this.#get(token) : undefined;
    if (known.length > 1) throw ambiguous('no store is global, and there are', known);
    return known[0] && this.#get(known[0].tokens[0]);
  }

  /** What the class `EventStore` means for an import of the module, whose store is injected by its name as one of `named`. */
  meaningOf(description: EventStoreDescription, named: readonly EventStore[]): EventStore | Promise<EventStore> {
    const { providers } = this.#modules().find((module) => module.description === description)!;
    const overridden = description.tokens.findIndex((token) => isOverride(description, providers.get(token)!));
    const own = named[Math.max(0, overridden)];
    if (!description.isGlobal) return own;
    // Nest makes the modules side by side, so the primary one may still be on its way.
    if (description !== this.#primaryDescription()) return this.#primary;
    this.#resolvePrimary(own);
    return own;
  }

  #get(token: InjectionToken): unknown {
    return this.moduleRef.get<unknown>(token, { strict: false });
  }

  #modules(): StoreModule[] {
    return this.discovery
      .getProviders()
      .filter(({ token }) => token === EVENT_STORE_DESCRIPTION)
      .map(({ instance, host }) => ({
        description: instance as EventStoreDescription,
        providers: host!.providers as ReadonlyMap<unknown, Provided>,
      }));
  }

  /** Under what a store is injected: its names, and the class when that means this store. */
  #tokensOf(description: EventStoreDescription): InjectionToken[] {
    const isMeant = !description.isGlobal || description === this.#primaryDescription();
    return [...description.tokens, ...(isMeant ? [EventStore] : [])];
  }

  /** What a test has put in the place of a store; undefined also for what is made of the store itself. */
  #overrideOf(description: EventStoreDescription): Provided | undefined {
    const { providers } = this.#modules().find((module) => module.description === description)!;
    const tokens = this.#tokensOf(description);
    const overrides = tokens.map((token) => providers.get(token)!).filter((each) => isOverride(description, each));
    const wraps = ({ inject }: Provided): boolean =>
      (inject ?? []).some((asked) => {
        const token = typeof asked === 'object' && 'token' in asked ? asked.token : asked;
        return token === OWN_EVENT_STORE || token === EventStore || description.tokens.includes(token as string);
      });
    return overrides.some(wraps) ? undefined : overrides[0];
  }

  #primaryDescription(): EventStoreDescription | undefined {
    const candidates = this.#modules()
      .map(({ description }) => description)
      .filter(({ isGlobal }) => isGlobal);
    return candidates.find(({ name }) => name === undefined) ?? candidates[0];
  }

  #checkName(name: string, description: EventStoreDescription): void {
    const others = this.#modules().filter((module) => module.description !== description);
    const token = getEventStoreToken(name) as string;
    const isUnnamed = description.name === undefined && others.some((other) => other.description.name === undefined);
    const isTaken = [...this.#made.keys()].some((other) => other.name === name);
    if (isTaken || (!isUnnamed && others.some((other) => other.description.tokens.includes(token))))
      throw new ValidationError('name', `two event stores are named "${name}": give one of them another name.`);
    if (!isUnnamed) return;
    const problem = `two event stores have no name of their own, "${name}" is one: give one of them another name.`;
    throw new ValidationError('name', problem);
  }

  /** @throws {ValidationError} when a module has several stores of its own, and the class would mean the first of them */
  #checkIsClear(moduleRef: ModuleRef): void {
    const asking = this.discovery
      .getProviders()
      .find(({ host }) => host?.providers.get(ModuleRef)?.instance === moduleRef)?.host;
    const locals = asking ? localStoresOf(asking) : [];
    if (locals.length > 1) throw ambiguous('its module imports', locals);
  }
}

function isOverride({ factories }: EventStoreDescription, { token, metatype }: Provided): boolean {
  return metatype !== factories.get(token);
}

function ambiguous(what: string, stores: readonly EventStoreDescription[]): ValidationError {
  const names = stores.map(({ name }) => (name === undefined ? 'one without a name' : `"${name}"`)).join(' and ');
  return new ValidationError('store', `${what} ${names}: say which, by its name.`);
}
