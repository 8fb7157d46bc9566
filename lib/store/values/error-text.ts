import { inspect } from 'node:util';

/** What came up when an error was being handled: told with it, while the error stays what was thrown. */
const failuresAfter = new WeakMap<object, { readonly what: string; readonly failure: unknown }>();

/**
 * Lets whoever tells of an error tell of a failure that came after it, too.
 *
 * @param what failed, in words
 * @returns the error; another one, that says the same, when it is nothing that could be told from others
 */
export function withFailureAfter(error: unknown, what: string, failure: unknown): unknown {
  const known = typeof error === 'object' && error !== null ? error : new Error(messageOf(error));
  failuresAfter.set(known, { what, failure });
  return known;
}

/** What an error says, in one line; whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return `${error.name}: ${textOf(error)}`;
  return inspect(error, { maxStringLength: 200, depth: 1 }) + toldAfter(error, messageOf);
}

/** The message of an error, and of what came up after it. */
export function textOf(error: Error): string {
  return error.message + toldAfter(error, messageOf);
}

/** Where an error comes from, for a log; undefined when it does not say. */
export function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return error.stack && error.stack + toldAfter(error, (failure) => stackOf(failure) ?? messageOf(failure), '\n');
}

function toldAfter(error: unknown, told: (failure: unknown) => string, between = ' '): string {
  const after = typeof error === 'object' && error !== null ? failuresAfter.get(error) : undefined;
  return after ? `${between}(${after.what}: ${told(after.failure)})` : '';
}
