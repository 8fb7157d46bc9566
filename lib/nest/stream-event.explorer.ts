import { Inject, Injectable, Logger, type Type } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, ModuleRef } from '@nestjs/core';
import { EventStoreError, ValidationError } from '../store/errors.js';
import { EventStore } from '../store/event-store.js';
import { checkMembers } from '../store/known-members.js';
import { checkStart, checkTarget } from '../store/subscription-target.js';
import type { SubscriptionStart, SubscriptionTarget } from '../store/subscription.js';
import { START } from '../store/cursor.js';
import {
  checkConsumerOptions,
  CONSUMER_OPTION_NAMES,
  type CheckedConsumerOptions,
} from '../subscription/consumer-options.js';
import type { EventHandler } from '../subscription/event-attempts.js';
import { marksOf, type OnStreamEventMark } from './decorators/on-stream-event.decorator.js';
import { EventStoreRegistry } from './event-store.registry.js';
import { StreamEventCaller, type HandlerHost } from './stream-event.caller.js';

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

/** Finds the methods with `@OnStreamEvent` among the providers and controllers of the application. */
@Injectable()
export class StreamEventExplorer {
  readonly #logger = new Logger('OnStreamEvent');

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(EventStoreRegistry) private readonly registry: EventStoreRegistry,
    @Inject(StreamEventCaller) private readonly caller: StreamEventCaller,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /** @throws {ValidationError} that names class and method, when a decorator is used wrongly */
  explore(): StreamEventHandler[] {
    const handlers = new Map<string, StreamEventHandler>();
    // One instance can be provided under several tokens; its handlers run once.
    const seen = new Set<unknown>();
    for (const wrapper of [...this.discovery.getProviders(), ...this.discovery.getControllers()]) {
      const instance = (wrapper.instance ?? undefined) as object | undefined;
      if (typeof instance !== 'object' || wrapper.isAlias || seen.has(instance)) continue;
      seen.add(instance);
      const host: HandlerHost = {
        instance,
        token: wrapper.token as Type,
        id: wrapper.id,
        isStatic: wrapper.isDependencyTreeStatic() && !wrapper.isTransient,
        moduleRef: (wrapper.host?.providers.get(ModuleRef)?.instance as ModuleRef | undefined) ?? this.moduleRef,
        imports: wrapper.host?.imports ?? [],
      };
      for (const method of this.#methodsOf(instance)) {
        const place = `${instance.constructor?.name ?? String(wrapper.name)}.${method}`;
        for (const mark of marksOf((instance as Record<string, unknown>)[method])) {
          const handler = this.#handlerOf(host, method, place, mark);
          if (handler) handlers.set(uniqueName(handlers, handler, place), handler);
        }
      }
    }
    checkPartitionNames([...handlers.values()]);
    return [...handlers].map(([name, handler]) => ({ ...handler, name }));
  }

  #methodsOf(instance: object): string[] {
    const prototype: unknown = Object.getPrototypeOf(instance);
    if (prototype === null || prototype === Object.prototype) return [];
    return this.scanner.getAllMethodNames(prototype as object);
  }

  #handlerOf(
    host: HandlerHost,
    method: string,
    place: string,
    mark: OnStreamEventMark,
  ): StreamEventHandler | undefined {
    const { target, options } = mark;
    try {
      checkMembers(options, 'options', ['store', 'from', ...CONSUMER_OPTION_NAMES]);
      const checked = checkConsumerOptions(options);
      const from = options.from ?? (checked.durable === undefined ? undefined : START);
      const checkedTarget = checkTarget(target);
      checkStart(from ?? START, checkedTarget);
      if (checked.partitions > 1 && checkedTarget.streamId !== undefined)
        throw new ValidationError('partitions', 'one stream is not spread: leave it out, or give several streams.');
      const store = this.#storeOf(options.store, place, host);
      if (store && checked.transaction) checkTransactions(store);
      const name = checked.durable ?? place;
      return (
        store && { name, place, store, target, from, options: checked, handle: this.caller.callerOf(host, method) }
      );
    } catch (error) {
      if (error instanceof EventStoreError) throw misuse(place, error.message, error);
      throw error;
    }
  }

  /** Undefined when a test has put something in the store's place that cannot be subscribed to. */
  #storeOf(name: string | undefined, place: string, host: HandlerHost): EventStore | undefined {
    const store = this.registry.find(name, host.imports);
    if (store instanceof EventStore) return store;
    const called = name === undefined ? 'event store' : `event store "${name}"`;
    if (store === undefined) {
      throw new ValidationError('store', `there is no ${called}: import EventStoreModule.forRoot() with that name.`);
    }
    this.#logger.warn(`${place} is not called: something else is in the place of the ${called}.`);
    return undefined;
  }
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
