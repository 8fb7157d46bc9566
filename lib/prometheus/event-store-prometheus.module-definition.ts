import { ConfigurableModuleBuilder, type DynamicModule, type ModuleMetadata } from '@nestjs/common';
import {
  checkEndpoint,
  type EventStorePrometheusOptions,
  type MetricsEndpoint,
} from './event-store-prometheus-options.js';
import { metricsController } from './metrics.controller.js';

/** What is given beside the options: Nest needs it before their factory runs. */
export interface EventStorePrometheusExtras {
  /** Adds a route with the metrics: its path, or its path, its guards and the modules that they need. Default none. */
  readonly endpoint?: MetricsEndpoint | string;
  /** Modules with what the guards of the endpoint inject. */
  readonly imports?: ModuleMetadata['imports'];
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<EventStorePrometheusOptions>({ moduleName: 'EventStorePrometheus' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createEventStorePrometheusOptions')
    .setExtras<EventStorePrometheusExtras>({ endpoint: undefined, imports: undefined }, withEndpoint)
    .build();

function withEndpoint(
  definition: DynamicModule,
  { endpoint, imports = [] }: EventStorePrometheusExtras,
): DynamicModule {
  // Those of `forRootAsync` are in the definition already.
  const all = [...new Set([...(definition.imports ?? []), ...imports])];
  if (endpoint === undefined) return { ...definition, imports: all };
  const { path, guards, imports: ofGuards } = checkEndpoint(endpoint);
  return { ...definition, imports: [...all, ...ofGuards], controllers: [metricsController({ path, guards })] };
}
