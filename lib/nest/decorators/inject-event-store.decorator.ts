import { Inject } from '@nestjs/common';
import { getEventStoreClockToken, getEventStoreToken } from '../event-store.tokens.js';

/** Injects the event store that was named `name` in `forRoot`; without a name, the same store as the class `EventStore`. */
export function InjectEventStore(name?: string): PropertyDecorator & ParameterDecorator {
  return Inject(getEventStoreToken(name));
}

/** Injects the `Clock` of the event store that was named `name`; without a name, that of the store that the class means. */
export function InjectEventStoreClock(name?: string): PropertyDecorator & ParameterDecorator {
  return Inject(getEventStoreClockToken(name));
}
