export { EventStorePrometheusModule } from './event-store-prometheus.module.js';
export type { EventStorePrometheusOptions, MetricsEndpoint } from './event-store-prometheus-options.js';
