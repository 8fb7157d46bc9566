import type { JsonValue } from '../store/values/event.js';
import type { AuditFields } from './audit-record.js';
import { keptValue } from './kept-value.js';

/**
 * What is let through of a value: the fields of the list and nothing else, redacted and within bounds, as JSON.
 *
 * @param source any value; nothing is kept of one that is no object
 * @param paths names, or paths such as `customer.id`
 * @param place what the paths begin with for `redact`: `body`
 * @param leaveOut told of a field that cannot be kept, and why; without it, the error is thrown
 */
export function keptFields(
  source: unknown,
  paths: readonly string[],
  place: string,
  redact: ((path: string, value: JsonValue) => unknown) | undefined,
  leaveOut: (path: string, error: unknown) => void = rethrow,
): AuditFields | undefined {
  const kept = new Map<string, JsonValue>();
  for (const path of paths) {
    try {
      const value = keptValue(valueAt(source, path), { path: [place, ...path.split('.')], redact });
      if (value !== undefined) kept.set(path, value);
    } catch (error) {
      leaveOut(`${place}.${path}`, error);
    }
  }
  return kept.size === 0 ? undefined : Object.fromEntries(kept);
}

function valueAt(source: unknown, path: string): unknown {
  let value = source;
  // A name may have dots in it.
  if (isObject(value) && Object.hasOwn(value, path)) return value[path];
  for (const name of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function rethrow(_path: string, error: unknown): never {
  throw error;
}
