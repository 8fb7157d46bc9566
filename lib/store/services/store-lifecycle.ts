import type { CheckedEventStoreOptions } from '../event-store-options.js';
import type { AppendSignal } from '../ports/append-signal.js';
import type { StorageEngine } from '../ports/storage-engine.js';
import type { SubscriptionRegistry } from '../ports/subscription.js';
import { messageOf, stackOf } from '../values/error-text.js';
import { UnsupportedOperationError, ValidationError } from '../values/errors.js';
import { EMPTY, type EmptiableEngine, type StoreRunner } from './emptying.js';
import { Ending } from './ending.js';
import { openEngine } from './engine-opening.js';
import type { Retention } from './retention.js';
import type { SnapshotTaker } from './snapshot-taker.js';
import type { StoreGate } from './store-gate.js';
import type { StoreLog } from './store-log.js';

/** Opens the parts of a store, ends them, and empties them, each in the right order. */
export class StoreLifecycle {
  /** The time that the end of the store may take, with that of its handlers. */
  readonly ending: Ending;

  /** What runs on the store, and begins anew when it is emptied. */
  readonly runners = new Set<StoreRunner>();

  #subscriptions: SubscriptionRegistry;
  #emptying: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #remembersHead = false;
  #headAtOpening = 0;
  #stopHints: (() => void) | undefined;

  /** @param newSubscriptions makes a registry that remembers no page */
  constructor(
    private readonly engine: StorageEngine,
    private readonly options: CheckedEventStoreOptions,
    private readonly gate: StoreGate,
    private readonly log: StoreLog,
    private readonly retention: Retention,
    private readonly snapshots: SnapshotTaker,
    private readonly signal: AppendSignal,
    private readonly newSubscriptions: () => SubscriptionRegistry,
  ) {
    const { name, shutdownTimeoutMs, clock, logger, metricsCollector } = options;
    this.ending = new Ending(name, shutdownTimeoutMs, clock, logger, () =>
      metricsCollector.onBackgroundFailure?.({ store: name, operation: 'shutdown' }),
    );
    this.#subscriptions = newSubscriptions();
  }

  /** The subscriptions there are now. */
  get subscriptions(): SubscriptionRegistry {
    return this.#subscriptions;
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Lets `headAtOpening` be known. To be called before the store is opened. */
  rememberHead(): void {
    this.#remembersHead = true;
  }

  /** The global position of the last event there was when the store was opened. */
  get headAtOpening(): number {
    return this.#headAtOpening;
  }

  /** Opens the engine, and what goes on in the background. @throws what the engine fails with, which can then be opened again */
  async open(): Promise<void> {
    const { name, clock, logger, metricsCollector, startTimeoutMs, maxEventsPerStream, maxStreams } = this.options;
    const onBackgroundFailure = (operation: string): void =>
      metricsCollector.onBackgroundFailure?.({ store: name, operation });
    const context = { storeName: name, clock, logger, onBackgroundFailure, maxEventsPerStream, maxStreams };
    await openEngine(this.engine, context, startTimeoutMs, this.gate.closing);
    try {
      if (this.#remembersHead && !this.isClosed) this.#headAtOpening = await this.log.view().head();
      await this.retention.open();
      this.#stopHints = this.engine.onAppended?.((streamId) => this.signal.notify(streamId));
      this.retention.start();
      this.snapshots.start();
    } catch (error) {
      await this.#takeBackOpening();
      throw error;
    }
  }

  /** @throws {LastSnapshotFailedError} when the last snapshot failed @throws what the engine fails with */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Forgets all that is kept. One call follows the other. */
  empty(): Promise<void> {
    this.#emptying = this.#emptying.catch(() => undefined).then(() => this.#emptyBetweenRuns());
    return this.#emptying;
  }

  /** Leaves the engine as it was before, so that it can be opened again. */
  async #takeBackOpening(): Promise<void> {
    try {
      await this.engine.close();
    } catch (error) {
      const { name, logger } = this.options;
      const problem = `Store "${name}" could not be opened, and its engine could not be closed again`;
      logger.error(`${problem}: ${messageOf(error)}`, stackOf(error));
    }
  }

  async #close(): Promise<void> {
    const { isOpen } = this.gate;
    const callsEnded = this.ending.orGiveUp('the calls that are not answered', this.gate.close());
    await this.#subscriptions.closeAll();
    const wasOpened = (await callsEnded) ?? isOpen;
    this.snapshots.stop();
    this.#stopHints?.();
    await this.ending.orGiveUp('its sweep', this.retention.stop());
    if (!wasOpened) return;
    try {
      await this.snapshots.takeLast();
    } finally {
      const close = async (): Promise<void> => this.engine.close();
      await this.ending.orGiveUp('closing its engine', close());
    }
  }

  async #emptyBetweenRuns(): Promise<void> {
    await this.gate.ready();
    const runners = [...this.runners];
    await Promise.all(runners.map((runner) => runner.end()));
    try {
      await this.#empty();
    } finally {
      await Promise.all(runners.map((runner) => runner.begin()));
    }
  }

  async #empty(): Promise<void> {
    const engine = this.engine as StorageEngine & Partial<EmptiableEngine>;
    const empty = engine[EMPTY]?.bind(engine);
    if (!empty) {
      const problem = `the engine "${engine.name}" cannot be emptied: make a new store for each test.`;
      throw new UnsupportedOperationError('resetStore', problem);
    }
    const { active } = this.#subscriptions;
    if (active > 0) {
      const open = active === 1 ? 'a subscription to it is open' : `${active} subscriptions to it are open`;
      throw new ValidationError('store', `${open}, which would not know where it is: close it before the reset.`);
    }
    await this.gate.call(empty);
    // What the registry remembers of pages that were read is over.
    this.#subscriptions = this.newSubscriptions();
    this.#headAtOpening = 0;
    await this.gate.call(() => this.retention.reset());
  }
}
