import { ValidationError } from '../store/values/errors.js';

/** The part of a test runner that is needed. That of Jest, Vitest, `node:test` and Mocha fits. */
export interface TestRunner {
  describe(this: void, name: string, body: () => void): unknown;
  it: {
    (this: void, name: string, body: () => Promise<void>): unknown;
    skip(this: void, name: string, body: () => Promise<void>): unknown;
  };
}

/** The global `describe` and `it`. @param asker who needs them, for the error @throws {ValidationError} when there are none */
export function globalRunner(asker: string): TestRunner {
  const { describe, it } = globalThis as unknown as Partial<TestRunner>;
  if (typeof describe === 'function' && typeof it === 'function') return { describe, it };
  throw new ValidationError(
    `${asker}.runner`,
    'there is no global describe() and it(): hand over those of your test runner.',
  );
}
