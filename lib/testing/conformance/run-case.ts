import assert from 'node:assert/strict';
import type { MaybePromise } from '../../store/values/maybe-promise.js';
import type { EngineCapabilities, StorageEngine } from '../../store/ports/storage-engine.js';
import { AcknowledgedEvents } from './acknowledged-events.js';
import type { ConformanceCase } from './conformance-case.js';
import { LivingClock } from './living-clock.js';
import { checkLog } from './log-invariants.js';
import { type LogOpener, TestedLog } from './tested-log.js';

/** Makes the logs that cases run on. */
export interface LogMaker {
  /** Makes an engine on an empty log, which the suite opens. Called for every case; no two logs are in use at a time. */
  readonly create: () => MaybePromise<StorageEngine>;

  /**
   * Removes what `create` made, after all engines on it were closed. Default nothing.
   *
   * @param engine what `create` answered
   */
  readonly destroy?: (engine: StorageEngine) => MaybePromise<void>;

  /**
   * Makes another engine on the log that `create` made last, for what has to outlive a restart. When `supports.leases` is
   * declared, both are used at the same time, as by two processes. Left out, those cases are skipped.
   *
   * @param engine what `create` answered
   */
  readonly createAnother?: (engine: StorageEngine) => MaybePromise<StorageEngine>;
}

const SILENT = { warn: () => undefined, error: () => undefined };

/**
 * Runs a case on a log of its own, checks what must be true of every log, and takes everything down again.
 *
 * @param declared what the engine is said to support
 */
export async function runCase(
  { run, limits }: ConformanceCase,
  maker: LogMaker,
  declared: Partial<EngineCapabilities> = {},
): Promise<void> {
  const engine = await maker.create();
  const clock = new LivingClock();
  const acknowledged = new AcknowledgedEvents();
  const open = new Set<TestedLog>();
  const openLog = async (another: StorageEngine): Promise<TestedLog> => {
    const { maxEventsPerStream = Infinity, maxStreams = Infinity } = limits;
    await another.open({ storeName: 'conformance', clock, logger: SILENT, maxEventsPerStream, maxStreams });
    const log = new TestedLog(another, clock, acknowledged, opener);
    open.add(log);
    return log;
  };
  const opener: LogOpener = {
    another: async () => openLog(await maker.createAnother!(engine)),
    again: (closed) => openLog(closed),
    close: async (log) => {
      open.delete(log);
      await log.engine.close();
    },
  };
  try {
    // Documents came later: an engine may have them without its test saying so, and is not asked for them then.
    const said = { documents: declared.documents ?? false, ...engine.supports };
    const expected = { snapshot: false, leases: false, transactions: false, documents: said.documents, ...declared };
    assert.deepEqual(said, expected, 'the engine supports something else than was declared');
    await run(await openLog(engine));
    for (const log of open) await checkLog(log);
  } finally {
    for (const log of open) await log.engine.close();
    await maker.destroy?.(engine);
  }
  assert.equal(clock.pendingTimers, 0, `${clock.pendingTimers} timers are left after the engine was closed`);
}
