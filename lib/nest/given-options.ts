import type { DynamicModule, InjectionToken } from '@nestjs/common';
import { ValidationError } from '../store/values/errors.js';
import { shown } from '../store/values/names.js';

/** What takes a factory of options. */
type AsyncMethod = 'forRootAsync' | 'registerAsync';

/**
 * A module whose options come from a factory that has to give some: one that forgot its `return` would be taken for one that
 * wants the defaults.
 *
 * @param token of the options
 * @param name of the module, for the error
 */
export function withGivenOptions(
  definition: DynamicModule,
  token: InjectionToken,
  name: string,
  method: AsyncMethod,
): DynamicModule {
  const check = {
    provide: Symbol('GIVEN_OPTIONS'),
    useFactory: (options: unknown) => checkGiven(options, name, method),
    inject: [token],
  };
  return { ...definition, providers: [...(definition.providers ?? []), check] };
}

/** @throws {ValidationError} that names the module */
export function checkGiven(options: unknown, name: string, method: AsyncMethod): true {
  if (typeof options === 'object' && options !== null) return true;
  throw new ValidationError(
    name,
    `the factory of ${method} gave ${shown(options)}: return the options, or {} for the defaults.`,
  );
}
