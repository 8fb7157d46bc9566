import { ConfigurableModuleBuilder } from '@nestjs/common';
import {
  checkEndpoint,
  type EventStorePrometheusOptions,
  type MetricsEndpoint,
} from './event-store-prometheus-options.js';
import { metricsController } from './metrics.controller.js';

/** What is given beside the options: Nest needs it before their factory runs. */
export interface EventStorePrometheusExtras {
  /** Adds a route with the metrics: its path, or its path and guards. Default none. */
  readonly endpoint?: MetricsEndpoint | string;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<EventStorePrometheusOptions>({ moduleName: 'EventStorePrometheus' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createEventStorePrometheusOptions')
    .setExtras<EventStorePrometheusExtras>({ endpoint: undefined }, (definition, { endpoint }) => ({
      ...definition,
      ...(endpoint !== undefined && { controllers: [metricsController(checkEndpoint(endpoint))] }),
    }))
    .build();
