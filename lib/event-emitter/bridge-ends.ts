import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { EventStoreRegistry } from '../nest/event-store.registry.js';
import { ValidationError } from '../store/values/errors.js';
import { EventStore } from '../store/event-store.js';
import {
  BRIDGE,
  checkBridgeOptions,
  type CheckedBridgeOptions,
  type EventEmitterBridgeOptions,
} from './event-emitter-bridge-options.js';
import { BRIDGE_OPTIONS } from './event-emitter-bridge.module-definition.js';
import { EMITTER_ENDS, type EmitterEnds } from './emitter-ends.js';
import { type EventEmitter, EventNamePatterns } from './event-emitter.js';

/** What one bridge stands on: its checked options, the emitter and the store. */
@Injectable()
export class BridgeEnds {
  readonly options: CheckedBridgeOptions;
  readonly emitter: EventEmitter;
  readonly #stores: EventStoreRegistry;

  /** @throws {ValidationError} when an option is not acceptable, or an end is missing */
  constructor(
    @Optional() @Inject(BRIDGE_OPTIONS) options: EventEmitterBridgeOptions,
    @Optional() @Inject(EMITTER_ENDS) private readonly ends: EmitterEnds | undefined,
    @Optional() @Inject(EventStoreRegistry) stores: EventStoreRegistry | undefined,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {
    this.options = checkBridgeOptions(options);
    const emitter = this.ends?.emitter;
    if (!emitter) {
      throw new ValidationError(
        BRIDGE,
        'there is no EventEmitter2: import EventEmitterModule.forRoot() of @nestjs/event-emitter into the root module.',
      );
    }
    if (!stores) {
      throw new ValidationError(
        BRIDGE,
        'there is no event store: import EventStoreModule.forRoot() into the root module.',
      );
    }
    this.emitter = emitter;
    this.#stores = stores;
  }

  /** Patterns as the emitter understands them. */
  patterns<Value>(): EventNamePatterns<Value> {
    const { wildcard, delimiter } = this.emitter;
    return new EventNamePatterns(this.ends!.newEmitter({ wildcard, delimiter, maxListeners: 0, ignoreErrors: true }));
  }

  /** Resolves when Nest has given the emitter the `@OnEvent` methods, which it does while the application starts. */
  async listenersReady(): Promise<void> {
    await this.ends?.listenersReady();
  }

  /**
   * The store to append to; to be asked when all modules have been made. Undefined when a test has put something in its
   * place that is no store.
   *
   * @throws {ValidationError} when there is none of the name
   */
  async store(): Promise<EventStore | undefined> {
    const { store: name } = this.options;
    const store = await this.#stores.find(name, this.moduleRef);
    if (store instanceof EventStore) return store;
    if (store === undefined) {
      const called = name === undefined ? 'event store' : `event store "${name}"`;
      throw new ValidationError(`${BRIDGE}.store`, `there is no ${called}: import EventStoreModule.forRoot() with it.`);
    }
    new Logger(BRIDGE).warn('Emitted events are not appended: something else is in the place of the event store.');
    return undefined;
  }
}
