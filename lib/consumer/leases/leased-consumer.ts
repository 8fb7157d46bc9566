import { messageOf, stackOf } from '../../store/values/error-text.js';
import { HandlerStoppedError, LeaseLostError } from '../../store/values/errors.js';
import { checkTarget } from '../../store/ports/subscription-target.js';
import type { Consumer, ConsumerState, ConsumerStatus } from '../consumer.js';
import type { DeadLetter } from '../dead-letters/dead-letter-store.js';
import { checkFit } from '../checkpoint/checkpoint-compatibility.js';
import type { ConsumerParts } from '../consumer-parts.js';
import { EventConsumer } from '../run/event-consumer.js';
import { StoredProgress } from '../checkpoint/stored-progress.js';
import { ASKS_PER_DURATION, LeaseHolder, type Tenure } from './lease-holder.js';
import { PlaceMemory } from '../../subscription/place-memory.js';
import { internalsOf } from '../../store/store-internals.js';

/** How often to look how far the process has come that runs the handler. */
const LOOK_EVERY_MS = 200;

/**
 * Runs a durable handler, or one partition of it, in one process at a time of all that share the log: in the one that has
 * its lease.
 *
 * - `standby`: another process has the lease, or nobody yet. As a candidate it asks for the lease. Left with the lease.
 * - with the lease: an `EventConsumer` begins at the checkpoint, and this is in the state of that one, also when it is
 *   paused or has stopped after a failure of the handler: nobody else is to go on in its place. When its storage fails for twice
 *   as long as a lease lasts, or is damaged, it gives the lease back: another process may be better off. Left when the lease is lost: the consumer
 *   is abandoned. Left by `withdraw`: the consumer ends in order, and the lease is given back. Once the consumer is at
 *   rest, this stands by again.
 * - `paused` without the lease: on request; it does not ask for the lease.
 * - `stopped` without the lease: it has ended, after it has given the lease back; or its storage is damaged, until it is
 *   resumed.
 */
export class LeasedConsumer implements Consumer {
  /** Names the lease and the checkpoint. */
  readonly name: string;

  readonly #parts: ConsumerParts;
  readonly #keeper: LeaseHolder;
  readonly #kept: StoredProgress;
  readonly #places = new PlaceMemory();
  /** Never opened: it hands over the dead letters that are retried here while another process runs the handler. */
  readonly #standIn: EventConsumer;

  #isCandidate: boolean;
  #tenant: EventConsumer | undefined;
  /** Whether the tenant has its place in the log. */
  #hasMovedIn = false;
  /** Opens the latest tenant, or abandons it. */
  #moving: Promise<void> = Promise.resolve();
  #isAbandoning = false;
  #withdrawing: Promise<void> | undefined;
  /** What the storage failed with here, so that the lease was given back; until this process runs the handler again. */
  #failure: { readonly error: unknown; readonly isForGood: boolean } | undefined;
  /** Whether others are to have the first chance at the lease. */
  #isStandingBack = false;
  #cancelWatch: (() => void) | undefined;
  #opened: Promise<void> | undefined;
  #hasOpened = false;
  #hasStarted = false;
  #isPaused = false;
  #hasEnded = false;
  /** Who was said in the log to have the lease, since this had it last. */
  #toldHolder: string | undefined;
  /** Of the tenants before. */
  #failures = 0;
  #lastError: unknown;
  readonly #waitingForChange = new Set<() => void>();

  /** @param isCandidate whether it asks for the lease before it is told to */
  constructor(parts: ConsumerParts, isCandidate = true) {
    const { store, target, options, partition } = parts;
    this.#parts = parts;
    this.#isCandidate = isCandidate;
    this.name = partition?.name ?? parts.name;
    this.#standIn = new EventConsumer(parts);
    this.#kept = new StoredProgress(this.name, store, target, ({ streamId }) => partition?.has(streamId) ?? true);
    this.#keeper = new LeaseHolder(store, this.name, options.leaseDurationMs, {
      gained: (tenure) => {
        this.#moving = this.#moveIn(tenure);
        // Whoever opens it waits for this and gets its failure. When opening has failed already, nobody does.
        this.#moving.catch(() => undefined);
      },
      refused: (holder) => this.#noteHolder(holder),
      lost: (error) => {
        // Who could not begin has gone already, and gives the lease back.
        if (this.#tenant) this.#moving = this.#moveOut(this.#tenant, error);
      },
    });
  }

  get state(): ConsumerState {
    if (this.#atWork) return this.#atWork.state;
    if (this.#hasEnded) return 'ended';
    if (this.#failure?.isForGood) return 'halted';
    if (this.#isPaused) return 'paused';
    return this.#hasOpened ? 'standby' : 'starting';
  }

  /** Whether it has the lease, and is to keep it. */
  get isAtWork(): boolean {
    return this.#atWork !== undefined;
  }

  /** Undefined while another process runs the handler. */
  get position(): number | undefined {
    return this.#tenant?.position;
  }

  /** That the storage fails here. */
  get outage(): { readonly error: unknown } | undefined {
    return this.#tenant?.outage ?? this.#failure;
  }

  get failures(): number {
    return this.#failures + this.#standIn.failures + (this.#tenant?.failures ?? 0);
  }

  get lastError(): unknown {
    return this.#tenant?.lastError ?? this.#standIn.lastError ?? this.#lastError;
  }

  async status(): Promise<ConsumerStatus> {
    const [{ position, lag }, leases] = await Promise.all([
      this.#tenant ? this.#tenant.status() : this.#kept.status(),
      // Others may have longer names that begin with this one.
      internalsOf(this.#parts.store).listLeases(this.name),
    ]);
    const { state, failures, lastError } = this;
    const outage = this.outage?.error;
    const holder = leases.find(({ name }) => name === this.name)?.holder;
    return { state, position, lag, failures, lastError, outage, holder };
  }

  /** Resolves when it has the lease and its place in the log, or when another process has the lease. */
  open(): Promise<void> {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  async #open(): Promise<void> {
    const { store, target, partition } = this.#parts;
    if (!partition) {
      const checkpoint = await internalsOf(store).loadCheckpoint(this.name);
      // Who stands by would find it out only when it takes over.
      if (checkpoint) checkFit(this.name, checkpoint, { streamId: checkTarget(target).streamId, partitions: 1 });
    }
    const mayCompete = this.#mayCompete;
    try {
      if (mayCompete) await this.#keeper.compete();
      await this.#moving;
    } catch (error) {
      await this.#keeper.release();
      throw error;
    }
    this.#hasOpened = true;
    // It may have been resumed, or told to stand, meanwhile.
    if (!mayCompete) this.#compete();
  }

  start(): void {
    this.#hasStarted = true;
    if (this.#hasMovedIn) this.#tenant?.start();
  }

  /** Asks for the lease from now on. */
  stand(): void {
    if (this.#isCandidate) return;
    this.#isCandidate = true;
    if (!this.#tenant) this.#compete();
  }

  /** Does not ask for the lease any more. One that it has is given back when the attempts that run have ended. */
  async withdraw(): Promise<void> {
    this.#isCandidate = false;
    this.#keeper.rest();
    if (this.#tenant) this.#withdrawing ??= this.#moveAway();
    await this.#withdrawing;
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
    this.#failure = undefined;
    this.#isStandingBack = false;
    this.#tellChange();
    if (this.#tenant) await this.#tenant.resume();
    else this.#compete();
  }

  async settled(): Promise<void> {
    const throwIfStopped = (): void => {
      if (this.#isPaused || this.#hasEnded) throw new HandlerStoppedError(this.#parts.name, this.#lastError);
    };
    await this.open();
    const goal = await this.#kept.end();
    for (;;) {
      const tenant = this.#atWork;
      if (tenant) {
        try {
          return await tenant.settled();
        } catch (error) {
          if (this.#atWork === tenant) throw error;
        }
      }
      throwIfStopped();
      if (await this.#kept.hasReached(goal)) return;
      throwIfStopped();
      if (!this.#atWork) await this.#changeWithin(LOOK_EVERY_MS);
    }
  }

  /** Gives the lease back when the attempts that run have ended, so that another process takes over. */
  async stop(): Promise<void> {
    this.#hasEnded = true;
    this.#cancelWatch?.();
    this.#tenant?.interruptOpening();
    this.#keeper.rest();
    this.#tellChange();
    await this.#opened?.catch(() => undefined);
    await this.#withdrawing;
    await Promise.all([this.#tenant?.stop(), this.#standIn.stop()]);
    await this.#moving.catch(() => undefined);
    if (this.#tenant) this.#count('released');
    await this.#keeper.release();
  }

  retry(letter: DeadLetter): Promise<void> {
    return (this.#atWork ?? this.#standIn).retry(letter);
  }

  discard(letter: DeadLetter): Promise<void> {
    return (this.#atWork ?? this.#standIn).discard(letter);
  }

  /** The consumer that has the lease, unless it is about to give it back. */
  get #atWork(): EventConsumer | undefined {
    return this.#withdrawing ? undefined : this.#tenant;
  }

  get #mayCompete(): boolean {
    if (this.#failure?.isForGood || this.#isStandingBack) return false;
    return this.#isCandidate && !this.#isPaused && !this.#hasEnded && !this.#withdrawing && !this.#isAbandoning;
  }

  #compete(): void {
    if (this.#hasOpened && this.#mayCompete) this.#keeper.competeInBackground();
  }

  /** Says it once, until another process has the lease. */
  #noteHolder(holder: string): void {
    if (holder === this.#toldHolder) return;
    this.#toldHolder = holder;
    const { store, options } = this.#parts;
    const longest = Math.ceil(options.leaseDurationMs * (1 + 1 / ASKS_PER_DURATION));
    store.logger.log?.(
      `${this.name} stands by: ${holder} has its lease. This process takes over at most ${longest} ms after that one has renewed it for the last time.`,
      { handler: this.#parts.name, store: store.name, holder },
    );
  }

  async #moveIn(tenure: Tenure): Promise<void> {
    this.#toldHolder = undefined;
    this.#count('gained');
    const tenant = (this.#tenant = new EventConsumer({ ...this.#parts, tenure, places: this.#places }));
    this.#watchStorage(tenant);
    this.#tellChange();
    try {
      await tenant.open();
    } catch (error) {
      if (this.#tenant === tenant) await this.#couldNotMoveIn(tenant, error);
      return;
    }
    if (this.#tenant !== tenant) return;
    this.#hasMovedIn = true;
    this.#failure = undefined;
    if (this.#isPaused) await tenant.pause().catch((error: unknown) => this.#reportUnsaved(error));
    if (this.#hasStarted) tenant.start();
  }

  /** @throws the failure, when that is while this opens */
  async #couldNotMoveIn(tenant: EventConsumer, error: unknown): Promise<void> {
    this.#forget(tenant);
    // It may be about to save its first checkpoint once more.
    await this.#abandon(tenant, new LeaseLostError(this.name));
    await this.#keeper.release();
    this.#count('released');
    if (!this.#hasOpened) throw error;
    this.#lastError = error;
    if (!this.#failure) this.#report('could not begin where it was, and tries again', error);
    this.#failure = { error, isForGood: false };
    await this.#changeWithin(this.#parts.options.leaseDurationMs / 3);
    this.#compete();
  }

  /** Looks now and then whether the storage lets the tenant do anything: another process may be better off. */
  #watchStorage(tenant: EventConsumer): void {
    const { store, options } = this.#parts;
    const look = (): void => {
      const { outage } = tenant;
      if (tenant.isHaltedByStorage) void this.#standBack(tenant, tenant.lastError, true);
      else if (tenant.isHaltedByNewerEvent) void this.#standBack(tenant, tenant.lastError, false);
      else if (outage && outage.durationMs >= 2 * options.leaseDurationMs)
        void this.#standBack(tenant, outage.error, false);
      else this.#cancelWatch = store.clock.setTimer(look, options.leaseDurationMs / 3, { background: true });
    };
    this.#cancelWatch = store.clock.setTimer(look, options.leaseDurationMs / 3, { background: true });
  }

  /** Gives the lease back, because the storage does not let this process go on. Damage is for somebody to look at. */
  async #standBack(tenant: EventConsumer, error: unknown, isForGood: boolean): Promise<void> {
    if (this.#tenant !== tenant || this.#hasEnded || this.#withdrawing || tenant.state === 'paused') return;
    this.#report(isForGood ? 'gives its lease back' : 'gives its lease back, and asks for it again later', error);
    this.#failure = { error, isForGood };
    this.#isStandingBack = true;
    tenant.interruptOpening();
    this.#withdrawing = this.#moveAway();
    await this.#withdrawing;
    if (!isForGood) await this.#changeWithin(this.#parts.options.leaseDurationMs);
    this.#isStandingBack = false;
    this.#compete();
  }

  async #moveOut(tenant: EventConsumer, error: LeaseLostError): Promise<void> {
    const abandoned = this.#abandon(tenant, error);
    this.#forget(tenant);
    this.#count('lost');
    this.#parts.store.logger.warn(`${this.name}: ${error.message}`);
    await abandoned;
    this.#compete();
  }

  /** Meanwhile it does not ask for the lease: what the tenant is saving must not come after what the next one saves. */
  async #abandon(tenant: EventConsumer, error: LeaseLostError): Promise<void> {
    this.#isAbandoning = true;
    await tenant.abandon(error);
    this.#isAbandoning = false;
  }

  async #moveAway(): Promise<void> {
    await this.#moving.catch(() => undefined);
    const tenant = this.#tenant;
    await tenant?.stop();
    // It may have been lost before.
    if (tenant && this.#tenant === tenant) {
      this.#forget(tenant);
      this.#count('released');
      await this.#keeper.release();
    }
    this.#withdrawing = undefined;
    this.#compete();
  }

  /** It rests all the same, and what was not saved is done again. */
  #reportUnsaved(error: unknown): void {
    if (!(error instanceof LeaseLostError)) this.#report('could not save its checkpoint before it rests', error);
  }

  #forget(tenant: EventConsumer): void {
    this.#cancelWatch?.();
    this.#tenant = undefined;
    this.#hasMovedIn = false;
    this.#failures += tenant.failures;
    this.#lastError = tenant.lastError ?? this.#lastError;
    this.#tellChange();
  }

  #count(change: 'gained' | 'released' | 'lost'): void {
    const { store, name } = this.#parts;
    store.metricsCollector.onLeaseChange?.({ store: store.name, handler: name, change });
  }

  #report(what: string, error: unknown): void {
    this.#parts.store.logger.error(`${this.name} ${what}: ${messageOf(error)}`, stackOf(error));
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
