import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import type { EngineCapabilities } from '../store/ports/storage-engine.js';
import { globalRunner, type TestRunner } from './test-runner.js';
import { AREAS } from './conformance/areas.js';
import type { ConformanceCase } from './conformance/conformance-case.js';
import { type LogMaker, runCase } from './conformance/run-case.js';

/** What an engine's tests have to say, so that the suite can make logs of its kind. */
export interface ConformanceOptions extends LogMaker {
  /**
   * What the engine is to support; it must say the same of itself. Cases of what is not declared are skipped, under a
   * name that says so. Default nothing.
   */
  readonly supports?: Partial<EngineCapabilities>;

  /** Who runs the cases. Default the global `describe` and `it`, as Jest has them, and Vitest with `globals: true`. */
  readonly runner?: TestRunner;
}

const KNOWN_OPTIONS = ['create', 'destroy', 'createAnother', 'supports', 'runner'];
const KNOWN_CAPABILITIES = ['snapshot', 'leases', 'transactions', 'documents'];

/**
 * Describes, as tests, everything that a storage engine owes the store: about two hundred cases, area by area. Each has a
 * log of its own, and after each it is checked that the log holds exactly what was acknowledged, in order and without gaps,
 * that all ways of reading agree, and that closing leaves no timer behind.
 *
 * @param name of the engine, for the report
 * @throws {ValidationError} that names the option
 */
export function describeStorageEngine(name: string, options: ConformanceOptions): void {
  checkOptions(options);
  const { describe, it } = options.runner ?? globalRunner('describeStorageEngine');
  describe(`storage engine ${name}`, () => {
    for (const area of AREAS) {
      describe(area.name, () => {
        for (const each of area.cases) {
          const missing = whatIsMissing(each, options);
          if (missing === undefined) it(each.name, () => runCase(each, options, options.supports));
          else it.skip(`${each.name} [needs ${missing}]`, () => Promise.resolve());
        }
      });
    }
  });
}

/** What a case needs and the engine is not declared to have; undefined when it has all. */
function whatIsMissing({ needs }: ConformanceCase, options: ConformanceOptions): string | undefined {
  return needs.find((need) =>
    need === 'createAnother' ? options.createAnother === undefined : !options.supports?.[need],
  );
}

function checkOptions(options: ConformanceOptions): void {
  checkMembers(options, 'describeStorageEngine', KNOWN_OPTIONS);
  for (const name of ['create', 'destroy', 'createAnother'] as const) {
    const isMissing = name !== 'create' && options[name] === undefined;
    if (!isMissing && typeof options[name] !== 'function') {
      throw new ValidationError(`describeStorageEngine.${name}`, 'give a function.');
    }
  }
  if (options.supports) checkMembers(options.supports, 'describeStorageEngine.supports', KNOWN_CAPABILITIES);
}
