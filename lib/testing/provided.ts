import type { INestApplicationContext } from '@nestjs/common';
import { ValidationError } from '../store/values/errors.js';

/** The part of an application, a testing module or a `ModuleRef` that is needed. */
export type ProviderSource = Pick<INestApplicationContext, 'get'>;

/** What an application with a store has. @throws {ValidationError} when it has none */
export function provided<T>(app: ProviderSource, type: abstract new (...args: never[]) => T): T {
  try {
    return app.get<T>(type, { strict: false });
  } catch (error) {
    throw new ValidationError('app', 'it has no event store: import EventStoreModule.forRoot() into it.', {
      cause: error,
    });
  }
}
