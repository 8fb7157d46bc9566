import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { EventEmitterBridgeOptions } from './event-emitter-bridge-options.js';

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: BRIDGE_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<EventEmitterBridgeOptions>({ moduleName: 'EventEmitterBridge' })
  .setFactoryMethodName('createEventEmitterBridgeOptions')
  .build();
