import type { EngineCapabilities } from '../../store/ports/storage-engine.js';
import type { Limits, TestedLog } from './tested-log.js';

/** What a case needs besides an engine: a capability, or a second engine on the same log. */
export type Need = keyof EngineCapabilities | 'createAnother';

/** One promise of the contract. */
export interface ConformanceCase {
  /** A sentence about the engine. */
  readonly name: string;
  readonly needs: readonly Need[];
  /** What the engine is opened with; no limits where they are left out. */
  readonly limits: Partial<Limits>;
  /** Throws when the promise is not kept. */
  readonly run: (log: TestedLog) => Promise<void>;
}

/** Cases about one subject. */
export interface ConformanceArea {
  readonly name: string;
  readonly cases: readonly ConformanceCase[];
}

interface CaseOptions extends Partial<Limits> {
  readonly needs?: readonly Need[];
}

/** Adds a case to its area. */
export interface AddCase {
  (name: string, run: ConformanceCase['run']): void;
  (name: string, options: CaseOptions, run: ConformanceCase['run']): void;
}

/**
 * Collects the cases of an area.
 *
 * @param needs what each of them needs
 */
export function area(name: string, describe: (it: AddCase) => void, needs: readonly Need[] = []): ConformanceArea {
  const cases: ConformanceCase[] = [];
  describe((caseName: string, ...[first, second]: [unknown, unknown?]) => {
    const options = second === undefined ? {} : (first as CaseOptions);
    const { needs: own = [], ...limits } = options;
    cases.push({ name: caseName, needs: [...needs, ...own], limits, run: (second ?? first) as ConformanceCase['run'] });
  });
  return { name, cases };
}
