import { performance } from 'node:perf_hooks';
import { messageOf, stackOf } from '../values/error-text.js';
import { codeOf, LastSnapshotFailedError, StoreClosedError, UnsupportedOperationError } from '../values/errors.js';
import type { CheckedEventStoreOptions } from '../event-store-options.js';
import type { Outcome } from '../ports/metrics-collector.js';
import type { SnapshotRequest, StorageEngine } from '../ports/storage-engine.js';
import type { StoreGate } from './store-gate.js';
import type { StoreSnapshot } from '../values/stream-info.js';

/** Has the engine write snapshots: on request, now and then, and a last one when the store closes. Counts and times them. */
export class SnapshotTaker {
  /** How many were written since the store was opened. */
  created = 0;

  #lastId: string | undefined;
  #cancelTimer: (() => void) | undefined;
  #hasStopped = false;

  constructor(
    private readonly engine: StorageEngine,
    private readonly options: CheckedEventStoreOptions,
    private readonly gate: StoreGate,
  ) {}

  /** Takes one now. @throws {UnsupportedOperationError} when the engine has no place for it */
  async take(): Promise<StoreSnapshot> {
    const snapshot = await this.gate.call(() => this.#write({ ifChanged: false }));
    if (snapshot) return snapshot;
    throw new UnsupportedOperationError(
      'snapshot',
      `give store "${this.options.name}" an engine with a place to write one; its ${this.engine.name} engine has none.`,
    );
  }

  /** Takes one every `snapshotInterval` from now on, whenever something has changed. */
  start(): void {
    const { snapshotIntervalMs, clock } = this.options;
    if (snapshotIntervalMs === 0 || !this.engine.supports.snapshot || this.#hasStopped) return;
    this.#cancelTimer = clock.setTimer(() => void this.#takeInBackground(), snapshotIntervalMs, { background: true });
  }

  stop(): void {
    this.#hasStopped = true;
    this.#cancelTimer?.();
  }

  /** Takes a last one, if something has changed. @throws {LastSnapshotFailedError} */
  async takeLast(): Promise<void> {
    try {
      await this.#write({ ifChanged: true });
    } catch (error) {
      const { name, logger } = this.options;
      const failure = new LastSnapshotFailedError(name, error);
      logger.error(failure.message, stackOf(error));
      this.#countFailure();
      throw failure;
    }
  }

  async #takeInBackground(): Promise<void> {
    try {
      await this.gate.call(() => this.#write({ ifChanged: true }));
    } catch (error) {
      if (error instanceof StoreClosedError) return;
      const { name, logger } = this.options;
      const what = `the periodic snapshot failed; the next one tries again: ${messageOf(error)}`;
      logger.error(`Store "${name}": ${what}`, stackOf(error));
      this.#countFailure();
    }
    this.start();
  }

  async #write(request: SnapshotRequest): Promise<StoreSnapshot | undefined> {
    if (!this.engine.supports.snapshot) return undefined;
    const startedAt = performance.now();
    try {
      const snapshot = await this.engine.snapshot?.(request);
      // Calls that came together may have got the same one.
      if (snapshot && snapshot.id !== this.#lastId) {
        this.created++;
        this.#lastId = snapshot.id;
        this.#measure('ok', snapshot.bytes, startedAt);
      }
      return snapshot;
    } catch (error) {
      this.#measure(codeOf(error), 0, startedAt);
      throw error;
    }
  }

  #measure(outcome: Outcome, bytes: number, startedAt: number): void {
    const { name, metricsCollector } = this.options;
    metricsCollector.onSnapshot?.({ store: name, outcome, bytes, durationMs: performance.now() - startedAt });
  }

  #countFailure(): void {
    const { name, metricsCollector } = this.options;
    metricsCollector.onBackgroundFailure?.({ store: name, operation: 'snapshot' });
  }
}
