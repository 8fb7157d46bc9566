import type { StorageEngine } from '../ports/storage-engine.js';
import { OperationAbortedError, UnsupportedOperationError } from '../values/errors.js';
import { checkMembers } from '../values/known-members.js';
import type { LogCheck, LogCheckPage, LogCheckState, LogProblem } from '../values/log-check.js';
import type { MaybePromise } from '../values/maybe-promise.js';
import { toLimit } from '../values/positions.js';
import type { StoreGate } from './store-gate.js';

export interface CheckLogOptions {
  /** After how many problems to give up; 0 for never. Default 100. */
  readonly limit?: number;
  /** Ends the check early. */
  readonly signal?: AbortSignal;
}

/** Has an engine look at its whole log, a part at a time, so that appends go on in between. */
export class LogChecker {
  constructor(
    private readonly engine: StorageEngine,
    private readonly gate: StoreGate,
  ) {}

  /** @throws {UnsupportedOperationError | ValidationError | OperationAbortedError | StoreClosedError} */
  async check(options: CheckLogOptions): Promise<LogCheck> {
    checkMembers(options, 'options', ['limit', 'signal']);
    const limit = toLimit(options.limit ?? 100);
    const problems: LogProblem[] = [];
    let state: LogCheckState | undefined;
    do {
      if (options.signal?.aborted) throw new OperationAbortedError('checkLog', options.signal.reason);
      const { problems: found, next } = await this.gate.call(() => this.#verify(state));
      problems.push(...found);
      if (problems.length >= limit && (next || problems.length > limit)) {
        return { problems: problems.slice(0, limit), isComplete: false };
      }
      state = next;
    } while (state);
    return { problems, isComplete: true };
  }

  #verify(state: LogCheckState | undefined): MaybePromise<LogCheckPage> {
    if (this.engine.verify) return this.engine.verify(state);
    throw new UnsupportedOperationError('checkLog', `the engine "${this.engine.name}" cannot do it.`);
  }
}
