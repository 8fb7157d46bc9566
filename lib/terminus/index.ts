export { EventStoreHealthIndicator } from './event-store.health.js';
export { EventStoreHealthModule } from './event-store-health.module.js';
export type { EventStoreHealthOptions } from './event-store-health-options.js';
