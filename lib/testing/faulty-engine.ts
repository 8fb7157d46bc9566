import { isPromise, type MaybePromise } from '../store/values/maybe-promise.js';
import { EMPTY, type EmptiableEngine } from '../store/services/emptying.js';
import type { StorageEngine } from '../store/ports/storage-engine.js';

/** What an engine can be asked; hints are not asked for. */
export type EngineVerb = Exclude<keyof StorageEngine, 'name' | 'place' | 'supports' | 'onAppended'>;

// A record, so that the compiler misses a verb that is not listed.
const VERBS: Readonly<Record<EngineVerb, true>> = {
  open: true,
  close: true,
  append: true,
  readStream: true,
  readAll: true,
  readTimeRange: true,
  listStreams: true,
  trim: true,
  loadCheckpoint: true,
  saveCheckpoint: true,
  listCheckpoints: true,
  removeCheckpoint: true,
  acquireLease: true,
  releaseLease: true,
  listLeases: true,
  transact: true,
  time: true,
  usage: true,
  snapshot: true,
  verify: true,
  streamEnds: true,
  flush: true,
  getDocuments: true,
  listDocuments: true,
  writeDocuments: true,
  dropDocuments: true,
};

/** A failure to come. */
export interface Fault {
  /** Which verb fails; left out, every verb. */
  readonly verb?: EngineVerb;
  /** Which of its calls fails first, counted from 1 and from now. Default 1. */
  readonly call?: number;
  /** How many calls in a row fail; Infinity for all from then on. Default 1. */
  readonly times?: number;
  /**
   * `before` fails instead of doing it, as when a connection is refused. `after` does it and fails then, as when the answer is
   * lost on its way; what the engine itself fails with stays. `never` does nothing and gives no answer, as a server that stands
   * still. Default `before`.
   */
  readonly when?: 'before' | 'after' | 'never';
  /** What the call fails with. Default an `InjectedFaultError`. */
  readonly error?: unknown;
}

/** An engine that fails on request. */
export interface FaultyEngine extends StorageEngine {
  /** Makes calls fail, besides those that are to fail already. Of several faults that fit a call, the first counts. */
  fail(fault: Fault): void;
  /** Takes back all failures that are still to come. */
  heal(): void;
  /** How often a verb was called; without one, how often any. */
  calls(verb?: EngineVerb): number;
}

/** What a call fails with that was made to fail. */
export class InjectedFaultError extends Error {
  override readonly name = 'InjectedFaultError';

  /** @param tookEffect whether the engine had done what it was asked */
  constructor(
    readonly verb: EngineVerb,
    readonly tookEffect: boolean,
  ) {
    super(`${verb} was made to fail ${tookEffect ? 'after it took effect' : 'before it began'}`);
  }
}

/**
 * An engine like `inner`, and as good as it, until it is told to fail: for tests of what an application, or the store, does
 * when its engine fails. It passes the conformance suite of what it wraps.
 *
 * @param faults that it is told from the beginning
 */
export function faultyEngine(inner: StorageEngine, ...faults: readonly Fault[]): FaultyEngine {
  const script = new FaultScript(faults);
  const verbs = (Object.keys(VERBS) as EngineVerb[])
    .filter((verb) => inner[verb] !== undefined)
    .map((verb) => [verb, (...request: unknown[]) => script.run(verb, () => ask(inner, verb, request))] as const);
  return {
    name: inner.name,
    place: inner.place,
    supports: inner.supports,
    ...(Object.fromEntries(verbs) as unknown as Pick<StorageEngine, EngineVerb>),
    ...(isEmptiable(inner) && { [EMPTY]: () => inner[EMPTY]() }),
    ...(inner.onAppended && { onAppended: inner.onAppended.bind(inner) }),
    fail: (fault) => script.add(fault),
    heal: () => script.clear(),
    calls: (verb) => script.calls(verb),
  };
}

function isEmptiable(engine: object): engine is EmptiableEngine {
  return EMPTY in engine;
}

function ask(inner: StorageEngine, verb: EngineVerb, request: unknown[]): MaybePromise<unknown> {
  return (inner[verb] as (...request: unknown[]) => MaybePromise<unknown>).apply(inner, request);
}

/** The failures that are to come, and the calls that have been. */
class FaultScript {
  readonly #pending: { readonly fault: Fault; seen: number }[] = [];
  readonly #calls = new Map<EngineVerb, number>();

  constructor(faults: readonly Fault[]) {
    for (const fault of faults) this.add(fault);
  }

  add(fault: Fault): void {
    this.#pending.push({ fault, seen: 0 });
  }

  clear(): void {
    this.#pending.length = 0;
  }

  calls(verb: EngineVerb | undefined): number {
    if (verb !== undefined) return this.#calls.get(verb) ?? 0;
    return [...this.#calls.values()].reduce((sum, count) => sum + count, 0);
  }

  run(verb: EngineVerb, call: () => MaybePromise<unknown>): MaybePromise<unknown> {
    this.#calls.set(verb, this.calls(verb) + 1);
    const fault = this.#faultOf(verb);
    if (!fault) return call();
    const { when = 'before', error = new InjectedFaultError(verb, when === 'after') } = fault;
    if (when === 'never') return new Promise(() => undefined);
    if (when === 'before') throw error;
    const answer = call();
    if (!isPromise(answer)) throw error;
    return answer.then(() => {
      throw error;
    });
  }

  #faultOf(verb: EngineVerb): Fault | undefined {
    let found: Fault | undefined;
    for (const pending of this.#pending) {
      const { verb: wanted = verb, call = 1, times = 1 } = pending.fault;
      if (wanted !== verb) continue;
      pending.seen++;
      if (pending.seen >= call && pending.seen < call + times) found ??= pending.fault;
    }
    return found;
  }
}
