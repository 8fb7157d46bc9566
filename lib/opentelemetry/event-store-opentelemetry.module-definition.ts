import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { EventStoreOpenTelemetryOptions } from './event-store-opentelemetry-options.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<EventStoreOpenTelemetryOptions>({ moduleName: 'EventStoreOpenTelemetry' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createEventStoreOpenTelemetryOptions')
    .build();
