import { Inject } from '@nestjs/common';
import { getEventStoreToken } from '../event-store.tokens.js';

/** Injects the event store that was named `name` in `forRoot`; without a name, the same store as the class `EventStore`. */
export function InjectEventStore(name?: string): PropertyDecorator & ParameterDecorator {
  return Inject(getEventStoreToken(name));
}
