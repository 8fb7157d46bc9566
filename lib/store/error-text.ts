import { inspect } from 'node:util';

/** What an error says, in one line; whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error
    ? `${error.name}: ${error.message}`
    : inspect(error, { maxStringLength: 200, depth: 1 });
}

/** Where an error comes from, for a log; undefined when it does not say. */
export function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
