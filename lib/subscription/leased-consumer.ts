import { messageOf, stackOf } from '../store/error-text.js';
import { HandlerStoppedError, LeaseLostError } from '../store/errors.js';
import { checkTarget } from '../store/subscription-target.js';
import type { Consumer, ConsumerState, ConsumerStatus } from './consumer.js';
import type { DeadLetter } from './dead-letter-box.js';
import { checkScale, EventConsumer, type ConsumerParts } from './event-consumer.js';
import { KeptProgress } from './kept-progress.js';
import { LeaseKeeper, type Tenure } from './lease-keeper.js';

/** How often to look how far the process has come that runs the handler. */
const LOOK_EVERY_MS = 200;

/**
 * Runs a durable handler in one process at a time of all that share the log: in the one that has its lease.
 *
 * - `standby`: another process has the lease, or nobody yet. Left with the lease.
 * - with the lease: an `EventConsumer` begins at the checkpoint, and this is in the state of that one, also when it is
 *   paused or has stopped after a failure: nobody else is to go on in its place. Left when the lease is lost: the consumer
 *   is abandoned, and once it is at rest, this stands by again.
 * - `paused` without the lease: on request; it does not ask for the lease.
 * - `stopped`: it has ended, after it has given the lease back.
 */
export class LeasedConsumer implements Consumer {
  readonly #parts: ConsumerParts;
  readonly #keeper: LeaseKeeper;
  readonly #kept: KeptProgress;
  /** Never opened: it hands over the dead letters that are retried here while another process runs the handler. */
  readonly #standIn: EventConsumer;

  #tenant: EventConsumer | undefined;
  /** Whether the tenant has its place in the log. */
  #hasMovedIn = false;
  /** Opens the latest tenant. */
  #moving: Promise<void> = Promise.resolve();
  #opened: Promise<void> | undefined;
  #hasOpened = false;
  #hasStarted = false;
  #isPaused = false;
  #hasEnded = false;
  /** Of the tenants before. */
  #failures = 0;
  #lastError: unknown;
  readonly #waitingForChange = new Set<() => void>();

  constructor(parts: ConsumerParts) {
    const { name, store, options } = parts;
    this.#parts = parts;
    this.#standIn = new EventConsumer(parts);
    this.#kept = new KeptProgress(name, store, parts.target, () => true);
    this.#keeper = new LeaseKeeper(store, name, options.leaseDurationMs, {
      gained: (tenure) => {
        this.#moving = this.#moveIn(tenure);
        // Whoever opens it waits for this and gets its failure. When opening has failed already, nobody does.
        this.#moving.catch(() => undefined);
      },
      lost: (error) => {
        // Who could not begin has gone already, and gives the lease back.
        if (this.#tenant) this.#moving = this.#moveOut(this.#tenant, error);
      },
    });
  }

  get #state(): ConsumerState {
    if (this.#tenant) return this.#tenant.state;
    if (this.#hasEnded) return 'stopped';
    if (this.#isPaused) return 'paused';
    return this.#hasOpened ? 'standby' : 'starting';
  }

  open(): Promise<void> {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  /** Resolves when it has the lease and its place in the log, or when another process has the lease. */
  async #open(): Promise<void> {
    const { name, store, target } = this.#parts;
    const checkpoint = await store.loadCheckpoint(name);
    // Who stands by would find it out only when it takes over.
    if (checkpoint) checkScale(name, checkpoint, checkTarget(target).streamId);
    const wasPaused = this.#isPaused;
    try {
      if (!wasPaused) await this.#keeper.compete();
      await this.#moving;
      this.#hasOpened = true;
      if (wasPaused) this.#compete();
    } catch (error) {
      await this.#keeper.release();
      throw error;
    }
  }

  start(): void {
    this.#hasStarted = true;
    if (this.#hasMovedIn) this.#tenant?.start();
  }

  async #moveIn(tenure: Tenure): Promise<void> {
    this.#count('gained');
    const tenant = (this.#tenant = new EventConsumer({ ...this.#parts, tenure }));
    this.#tellChange();
    try {
      await tenant.open();
    } catch (error) {
      if (this.#tenant !== tenant) return;
      this.#forget(tenant);
      // Else it would go on trying to save where it has begun.
      await tenant.abandon(new LeaseLostError(this.#parts.name));
      await this.#keeper.release();
      this.#count('released');
      if (!this.#hasOpened) throw error;
      this.#lastError = error;
      this.#report('could not begin where it was, and tries again', error);
      await this.#changeWithin(this.#parts.options.leaseDurationMs / 3);
      return this.#compete();
    }
    if (this.#tenant !== tenant) return;
    this.#hasMovedIn = true;
    if (this.#isPaused) await tenant.pause().catch((error: unknown) => this.#reportUnsaved(error));
    if (this.#hasStarted) tenant.start();
  }

  async #moveOut(tenant: EventConsumer, error: LeaseLostError): Promise<void> {
    const { name, store } = this.#parts;
    const wasAtWork = tenant.abandon(error);
    this.#forget(tenant);
    this.#count('lost');
    store.logger.warn(`${name}: ${error.message}`);
    await wasAtWork;
    this.#compete();
  }

  /** It rests all the same, and what was not saved is done again. */
  #reportUnsaved(error: unknown): void {
    if (!(error instanceof LeaseLostError)) this.#report('could not save its checkpoint before it rests', error);
  }

  #forget(tenant: EventConsumer): void {
    this.#tenant = undefined;
    this.#hasMovedIn = false;
    this.#failures += tenant.failures;
    this.#lastError = tenant.lastError ?? this.#lastError;
    this.#tellChange();
  }

  #compete(): void {
    if (!this.#hasEnded && !this.#isPaused) this.#keeper.competeInBackground();
  }

  async pause(): Promise<void> {
    if (this.#hasEnded) return;
    this.#isPaused = true;
    this.#keeper.rest();
    this.#tellChange();
    await this.#tenant?.pause();
  }

  async resume(): Promise<void> {
    if (this.#hasEnded) return;
    this.#isPaused = false;
    this.#tellChange();
    if (this.#tenant) return this.#tenant.resume();
    // The last tenant may still be saving: under a lease that this process gets again, the engine could not tell whose it is.
    await this.#moving.catch(() => undefined);
    if (this.#hasOpened && !this.#tenant) this.#compete();
  }

  async settled(): Promise<void> {
    const throwIfStopped = (): void => {
      if (this.#isPaused || this.#hasEnded) throw new HandlerStoppedError(this.#parts.name, this.#lastError);
    };
    await this.open();
    const goal = await this.#kept.end();
    for (;;) {
      const tenant = this.#tenant;
      if (tenant) {
        try {
          return await tenant.settled();
        } catch (error) {
          if (this.#tenant === tenant) throw error;
        }
      }
      throwIfStopped();
      if (await this.#kept.hasReached(goal)) return;
      throwIfStopped();
      if (!this.#tenant) await this.#changeWithin(LOOK_EVERY_MS);
    }
  }

  /** Gives the lease back when the tenant has ended, so that another process takes over. */
  async stop(): Promise<void> {
    this.#hasEnded = true;
    this.#keeper.rest();
    this.#tellChange();
    await this.#opened?.catch(() => undefined);
    const tenant = this.#tenant;
    await Promise.all([tenant?.stop(), this.#standIn.stop()]);
    await this.#moving.catch(() => undefined);
    if (this.#tenant) this.#count('released');
    await this.#keeper.release();
  }

  retry(letter: DeadLetter): Promise<void> {
    return (this.#tenant ?? this.#standIn).retry(letter);
  }

  discard(letter: DeadLetter): Promise<void> {
    return (this.#tenant ?? this.#standIn).discard(letter);
  }

  async status(): Promise<ConsumerStatus> {
    const { store, name } = this.#parts;
    const state = this.#state;
    const tenant = this.#tenant;
    const [place, leases] = await Promise.all([
      tenant ? tenant.status() : this.#kept.status(),
      // Others may have longer names that begin with this one.
      store.listLeases(name),
    ]);
    return {
      state,
      position: place.position,
      lag: place.lag,
      failures: this.#failures + this.#standIn.failures + (tenant?.failures ?? 0),
      lastError: tenant?.lastError ?? this.#standIn.lastError ?? this.#lastError,
      holder: leases.find((lease) => lease.name === name)?.holder,
    };
  }

  #count(change: 'gained' | 'released' | 'lost'): void {
    const { store, name } = this.#parts;
    store.metricsCollector.onLeaseChange?.({ store: store.name, handler: name, change });
  }

  #report(what: string, error: unknown): void {
    const { store, name } = this.#parts;
    store.logger.error(`${name} ${what}: ${messageOf(error)}`, stackOf(error));
  }

  /** Resolves when something has changed here, or after some time. */
  #changeWithin(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const goOn = (): void => {
        cancelTimer();
        this.#waitingForChange.delete(goOn);
        resolve();
      };
      const cancelTimer = this.#parts.store.clock.setTimer(goOn, ms);
      this.#waitingForChange.add(goOn);
    });
  }

  #tellChange(): void {
    for (const goOn of [...this.#waitingForChange]) goOn();
  }
}
