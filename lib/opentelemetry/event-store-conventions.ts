/** What the conventions have no name for has one of our own. */
export const ATTR_STORE_NAME = 'event_store.name';
export const ATTR_EVENT_TYPE = 'event_store.event.type';
export const ATTR_EVENT_POSITION = 'event_store.event.position';
export const ATTR_HANDLER_NAME = 'event_store.handler.name';
export const ATTR_HANDLER_ATTEMPT = 'event_store.handler.attempt';
export const ATTR_HANDLER_STATE = 'event_store.handler.state';
export const ATTR_HANDLER_POLICY = 'event_store.handler.policy';
export const ATTR_LEASE_CHANGE = 'event_store.handler.lease_change';
export const ATTR_SUBSCRIPTION_NAME = 'event_store.subscription.name';
export const ATTR_OPERATION = 'event_store.operation';

/** The messaging system, and the scope of the instrumentation. */
export const SYSTEM_NAME = 'nestjs-stream-store';
