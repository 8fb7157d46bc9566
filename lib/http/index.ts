export { EventStoreHttpModule } from './event-store-http.module.js';
export {
  DEFAULT_EVENT_STORE_HTTP_OPTIONS,
  type EventStoreHttpOptions,
  type EventStoreHttpRoutes,
} from './event-store-http-options.js';
export { EventStoreExceptionFilter } from './problems/problem-details.filter.js';
export type { ProblemDetails } from './problems/problem-details.js';
export type { AccessRule, StreamAccess } from './request/stream-access.js';
