import { Inject, Injectable, Logger, type Type } from '@nestjs/common';
import { DiscoveryService, ModuleRef } from '@nestjs/core';
import { EventStoreError, ValidationError } from '../store/values/errors.js';
import { EventStore } from '../store/event-store.js';
import { checkMembers } from '../store/values/known-members.js';
import { shown } from '../store/values/names.js';
import { checkGivenTarget, checkStart } from '../store/ports/subscription-target.js';
import type { SubscriptionStart } from '../store/ports/subscription.js';
import type { SubscriptionTarget } from '../store/values/target.js';
import { START } from '../store/values/cursor.js';
import {
  checkConsumerOptions,
  CONSUMER_OPTION_NAMES,
  type CheckedConsumerOptions,
} from '../consumer/consumer-options.js';
import type { EventHandler } from '../consumer/handling/handler-attempts.js';
import { marksOf, type OnStreamEventMark } from './decorators/on-stream-event.decorator.js';
import { EventStoreRegistry } from './event-store.registry.js';
import type { HandlerHost } from './handler-contexts.js';
import { StreamEventCaller } from './stream-event.caller.js';

/** A method with `@OnStreamEvent`, checked and ready to be run. */
export interface StreamEventHandler {
  /** The durable name, or else the class and the method. */
  readonly name: string;
  /** The class and the method, for messages. */
  readonly place: string;
  readonly store: EventStore;
  readonly target: SubscriptionTarget;
  /** Undefined for a live handler that begins with what is appended since the application started. */
  readonly from: SubscriptionStart | undefined;
  readonly options: CheckedConsumerOptions;
  readonly handle: EventHandler;
}

/** A host of handlers, and the prototype that its methods come from. */
interface Candidate {
  readonly host: HandlerHost;
  readonly prototype: object;
}

/** Finds the methods with `@OnStreamEvent` among the providers and controllers of the application. */
@Injectable()
export class StreamEventExplorer {
  readonly #logger = new Logger('OnStreamEvent');

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(EventStoreRegistry) private readonly registry: EventStoreRegistry,
    @Inject(StreamEventCaller) private readonly caller: StreamEventCaller,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /** @throws {ValidationError} that names class and method, when a decorator is used wrongly, or could not work */
  async explore(): Promise<StreamEventHandler[]> {
    const handlers = new Map<string, StreamEventHandler>();
    const seen = new Set<unknown>();
    for (const { host, prototype } of this.#candidates()) {
      for (const { method, place, marks } of markedMethodsOf(prototype)) {
        seen.add(prototype);
        if (host.instance) checkIsThere(host.instance, method, place);
        for (const mark of marks) {
          const handler = await this.#handlerOf(host, method, place, mark);
          if (handler) handlers.set(uniqueName(handlers, handler, place), handler);
        }
      }
    }
    this.#refuseEnhancers(seen);
    checkPartitionNames([...handlers.values()]);
    return [...handlers].map(([name, handler]) => ({ ...handler, name }));
  }

  *#candidates(): Generator<Candidate> {
    // One instance can be provided under several tokens; its handlers run once.
    const seen = new Set<unknown>();
    for (const wrapper of [...this.discovery.getProviders(), ...this.discovery.getControllers()]) {
      if (wrapper.isAlias) continue;
      const isStatic = wrapper.isDependencyTreeStatic() && !wrapper.isTransient;
      const instance = objectOrNothing(wrapper.instance);
      // What a factory makes for each attempt can only be known by the class that it is provided under.
      const prototype = instance ? prototypeOf(instance) : isStatic ? undefined : prototypeOfClass(wrapper.token);
      if (!prototype || (instance && seen.has(instance))) continue;
      seen.add(instance);
      const host: HandlerHost = {
        instance,
        token: wrapper.token as Type,
        id: wrapper.id,
        isStatic,
        moduleRef: (wrapper.host?.providers.get(ModuleRef)?.instance as ModuleRef | undefined) ?? this.moduleRef,
      };
      yield { host, prototype };
    }
  }

  /** Guards and the like that Nest makes for those who use them are no providers: nobody would call their handlers. */
  #refuseEnhancers(found: ReadonlySet<unknown>): void {
    for (const module of new Set(this.discovery.getProviders().map(({ host }) => host))) {
      for (const { instance, metatype } of module?.injectables.values() ?? []) {
        const known = objectOrNothing(instance);
        const prototype = known ? prototypeOf(known) : prototypeOfClass(metatype);
        if (!prototype || found.has(prototype)) continue;
        for (const { place } of markedMethodsOf(prototype))
          throw misuse(
            place,
            'its class is only used as a guard, interceptor, pipe or filter: make it a provider, too.',
          );
      }
    }
  }

  async #handlerOf(
    host: HandlerHost,
    method: string,
    place: string,
    mark: OnStreamEventMark,
  ): Promise<StreamEventHandler | undefined> {
    const { target, options } = mark;
    try {
      checkMembers(options, 'options', ['store', 'from', 'globalEnhancers', ...CONSUMER_OPTION_NAMES]);
      const checked = checkConsumerOptions(options);
      const from = options.from ?? (checked.durable === undefined ? undefined : START);
      const checkedTarget = checkGivenTarget(target);
      checkStart(from ?? START, checkedTarget);
      if (checked.partitions > 1 && checkedTarget.streamId !== undefined)
        throw new ValidationError('partitions', 'one stream is not spread: leave it out, or give several streams.');
      const store = await this.#storeOf(options.store, place, host);
      if (!store) return undefined;
      if (checked.transaction) checkTransactions(store);
      const globalEnhancers = this.#globalEnhancersOf(options, store);
      const handle = this.caller.callerOf({ host, method, place, globalEnhancers });
      return { name: checked.durable ?? place, place, store, target, from, options: checked, handle };
    } catch (error) {
      if (error instanceof EventStoreError) throw misuse(place, error.message, error);
      throw error;
    }
  }

  #globalEnhancersOf({ globalEnhancers }: OnStreamEventMark['options'], store: EventStore): boolean {
    if (globalEnhancers === undefined) return this.registry.descriptionOf(store)?.globalEnhancers ?? false;
    if (typeof globalEnhancers === 'boolean') return globalEnhancers;
    throw new ValidationError('globalEnhancers', `${shown(globalEnhancers)} is neither true nor false.`);
  }

  /** Undefined when a test has put something in the store's place that cannot be subscribed to. */
  async #storeOf(name: string | undefined, place: string, host: HandlerHost): Promise<EventStore | undefined> {
    const store = await this.registry.find(name, host.moduleRef);
    if (store instanceof EventStore) return store;
    const called = name === undefined ? 'event store' : `event store "${name}"`;
    if (store === undefined) {
      throw new ValidationError('store', `there is no ${called}: import EventStoreModule.forRoot() with that name.`);
    }
    this.#logger.warn(`${place} is not called: something else is in the place of the ${called}.`);
    return undefined;
  }
}

interface MarkedMethod {
  readonly method: string;
  /** The class and the method, for messages. */
  readonly place: string;
  readonly marks: readonly OnStreamEventMark[];
}

/** The methods with marks that a prototype has or inherits. Nothing is called for that: no getter, and no proxy. */
function markedMethodsOf(prototype: object): MarkedMethod[] {
  const className = valueOf(prototype, 'constructor') as Type | undefined;
  const methods = new Map<string, MarkedMethod>();
  const known = new Set<string>();
  for (let level: object | undefined = prototype; level && level !== Object.prototype; level = prototypeOf(level)) {
    for (const method of Object.getOwnPropertyNames(level)) {
      if (known.has(method)) continue;
      known.add(method);
      const marks = marksOf(valueOf(level, method));
      const place = `${className?.name ?? 'Object'}.${method}`;
      if (marks.length > 0) methods.set(method, { method, place, marks });
    }
  }
  return [...methods.values()];
}

function valueOf(holder: object, member: string): unknown {
  return Object.getOwnPropertyDescriptor(holder, member)?.value;
}

function objectOrNothing(value: unknown): object | undefined {
  return typeof value === 'object' && value !== null ? value : undefined;
}

function prototypeOfClass(token: unknown): object | undefined {
  return typeof token === 'function' ? objectOrNothing(token.prototype) : undefined;
}

/** Undefined also where a proxy does not tell: it may stand for something that is not there yet. */
function prototypeOf(value: object): object | undefined {
  try {
    return objectOrNothing(Object.getPrototypeOf(value));
  } catch {
    return undefined;
  }
}

/** @throws {ValidationError} when something else is in the place of the method */
function checkIsThere(instance: object, method: string, place: string): void {
  if (typeof (instance as Record<string, unknown>)[method] === 'function') return;
  throw misuse(place, `its instance has something else under "${method}": give one of them another name.`);
}

/** @throws {ValidationError} when two durable handlers have one name */
function uniqueName(
  handlers: ReadonlyMap<string, StreamEventHandler>,
  { name, options }: StreamEventHandler,
  place: string,
): string {
  if (!handlers.has(name)) return name;
  if (options.durable !== undefined) {
    throw misuse(
      place,
      `another handler is named "${name}" too, and would share its checkpoint: give durable another name.`,
    );
  }
  let number = 2;
  while (handlers.has(`${name}#${number}`)) number++;
  return `${name}#${number}`;
}

/** @throws {ValidationError} when the engine of the store cannot do what the option `transaction` asks for */
function checkTransactions({ name, engineName, supports }: EventStore): void {
  if (supports.transactions && supports.leases) return;
  throw new ValidationError(
    'transaction',
    `the engine of store "${name}", ${engineName}, has no transactions for handlers: use postgresEngine, or leave it out.`,
  );
}

/** The partitions of a handler have names that begin with its own. @throws {ValidationError} when another has such a name */
function checkPartitionNames(handlers: readonly StreamEventHandler[]): void {
  for (const { name } of handlers.filter(({ options }) => options.partitions > 1)) {
    const other = handlers.find(({ options }) => options.durable?.startsWith(`${name}/`));
    if (!other) continue;
    const problem = `"${other.name}" could be a partition of "${name}": give durable another name, without "${name}/".`;
    throw misuse(other.place, problem);
  }
}

/** What is wrong with a decorator, by the class and the method that it stands on. */
export function misuse(place: string, problem: string, cause?: Error): ValidationError {
  return new ValidationError(`@OnStreamEvent on ${place}`, problem, { cause });
}
