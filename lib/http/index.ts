export { EventStoreHttpModule } from './event-store-http.module.js';
export {
  DEFAULT_EVENT_STORE_HTTP_OPTIONS,
  type EventStoreHttpOptions,
  type EventStoreHttpRoutes,
} from './event-store-http-options.js';
export { EventStoreExceptionFilter } from './problem-details.filter.js';
export type { ProblemDetails } from './problem-details.js';
export type { AccessRule, StreamAccess } from './stream-access.js';
