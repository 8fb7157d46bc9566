import { type DynamicModule, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { withGivenOptions } from '../nest/given-options.js';
import { BridgeEnds } from './bridge-ends.js';
import { EmittedEventAppender } from './emitted-event-appender.js';
import { BRIDGE } from './event-emitter-bridge-options.js';
import { emitterEndsModule } from './emitter-ends.js';
import {
  type ASYNC_OPTIONS_TYPE,
  BRIDGE_OPTIONS,
  ConfigurableModuleClass,
  type OPTIONS_TYPE,
} from './event-emitter-bridge.module-definition.js';
import { storedEventEmitter } from './stored-event-emitter.js';
import { SwallowingListeners } from './swallowing-listeners.js';

const STORED_EVENT_EMITTER = Symbol('STORED_EVENT_EMITTER');

/**
 * Lets events cross between an event store and the event emitter of `@nestjs/event-emitter`: `register({ emit, append })`,
 * or `registerAsync` when the options come from elsewhere. Can be imported several times, for several stores.
 *
 * An event crosses once: what a bridge has appended is emitted by none, and what a bridge has emitted from a store is not
 * appended to that store again.
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    BridgeEnds,
    SwallowingListeners,
    EmittedEventAppender,
    { provide: STORED_EVENT_EMITTER, useFactory: storedEventEmitter, inject: [BridgeEnds, SwallowingListeners] },
  ],
})
export class EventEmitterBridgeModule extends ConfigurableModuleClass {
  static override register(options: typeof OPTIONS_TYPE): DynamicModule {
    return withEmitter(super.register(options));
  }

  static override registerAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withEmitter(withGivenOptions(super.registerAsync(options), BRIDGE_OPTIONS, BRIDGE, 'registerAsync'));
  }
}

function withEmitter(definition: DynamicModule): DynamicModule {
  const { imports = [] } = definition;
  return { ...definition, imports: [...imports, emitterEndsModule(imports)] };
}
