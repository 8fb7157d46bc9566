export { EventStoreOpenTelemetryModule } from './event-store-opentelemetry.module.js';
export type {
  EventStoreOpenTelemetryOptions,
  MetricsOptions,
  TracingOptions,
} from './event-store-opentelemetry-options.js';
export { openTelemetryMetrics } from './event-metrics.js';
export { openTelemetryTracing } from './tracing.js';
