import { monotonic } from '../../store/values/clock.js';
import { LeaseLostError } from '../../store/values/errors.js';
import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import type { Lease } from '../../store/ports/storage-engine.js';
import { LeaseFailureLog } from './lease-failure-log.js';

/** How often a lease is asked for, or renewed, while it lasts. */
export const ASKS_PER_DURATION = 3;
/** How often when it could not be renewed: the lease lasts for some more tries. */
const TRIES_PER_DURATION = 10;
/** From which part of its duration on a lease that was not renewed is not relied on any more: attempts need time to end. */
const RELIABLE_PART = 0.9;

/** The right to run a durable handler, for as long as it is renewed. */
export interface Tenure {
  readonly lease: Lease;
  /** Whether nobody else can have it yet, by the monotonic clock of this process. Once it is false it stays so. */
  readonly isHeld: boolean;
  /** Says that the engine has refused a write under it. */
  lost(): void;
}

/** Told when the right comes and goes. */
export interface LeaseListener {
  gained(tenure: Tenure): void;
  /** Another has it, as the answer to each ask says. */
  refused(holder: string): void;
  /** It went without being given back. Nobody asks for it again until `compete` is called. */
  lost(error: LeaseLostError): void;
}

/**
 * Gets one lease, and keeps it.
 *
 * - not competing, without a tenure: it does nothing. Left by `compete`.
 * - competing, without a tenure: it asks for the lease three times per duration. Left with a tenure when the engine gives
 *   it, and by `rest`.
 * - with a tenure: it renews the lease as often, and more often when that fails. Left by `release`; and by losing it: when another has it, when a write was
 *   refused, or when nine tenths of the duration have gone by since it asked for the lease the last time that it got it.
 *   The engine counts from a later moment, and to the end, so that nobody else can have it before.
 *
 * The time is measured by the monotonic clock, which nobody sets back, and by a timer, which may fire late: whichever comes
 * first.
 */
export class LeaseHolder {
  #isCompeting = false;
  #tenure: { readonly lease: Lease; heldUntil: number } | undefined;
  #asking: Promise<void> | undefined;
  #givingBack: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #cancelDeadline: (() => void) | undefined;
  #wasAnswered = true;
  readonly #trouble: LeaseFailureLog;

  constructor(
    private readonly store: EventStore,
    private readonly name: string,
    private readonly durationMs: number,
    private readonly listener: LeaseListener,
  ) {
    this.#trouble = new LeaseFailureLog(store, `The lease of "${name}" could not be asked for, or given back`);
  }

  /** Asks for the lease, and goes on asking until it has it. Resolves with the first answer. @throws what asking fails with */
  compete(): Promise<void> {
    this.#isCompeting = true;
    return this.#ask();
  }

  /** The same, for who does not wait. */
  competeInBackground(): void {
    this.#isCompeting = true;
    this.#askInBackground();
  }

  /** Asks no more. A lease that it has is still renewed. */
  rest(): void {
    this.#isCompeting = false;
    if (!this.#tenure) this.#cancelTimer?.();
  }

  /** Asks no more, and gives back what it has. */
  async release(): Promise<void> {
    this.rest();
    // Its timer may have asked again meanwhile: what is then answered must not be taken for a lease that is still held.
    while (this.#asking) await this.#asking.catch(() => undefined);
    this.#cancelTimer?.();
    const tenure = this.#tenure;
    if (!tenure) return;
    this.#endTenure();
    this.#givingBack = this.#giveBack(tenure.lease).finally(() => (this.#givingBack = undefined));
    await this.#givingBack;
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#askOnce().finally(() => {
      this.#asking = undefined;
      this.#schedule();
    });
    return this.#asking;
  }

  #askInBackground(): void {
    this.#ask().catch((error: unknown) => this.#trouble.report(error));
  }

  async #askOnce(): Promise<void> {
    this.#cancelTimer?.();
    // Until it has ended, asking would be answered with the lease that is about to end.
    if (this.#givingBack) await this.#givingBack;
    // The lease lasts from a moment that lies between the question and the answer.
    const askedAt = monotonic(this.store.clock);
    this.#wasAnswered = false;
    const lease = await internalsOf(this.store).acquireLease(this.name, this.durationMs, (holder) => {
      if (this.#isCompeting) this.listener.refused(holder);
    });
    this.#wasAnswered = true;
    this.#trouble.end();
    await this.#accept(lease, askedAt + this.durationMs * RELIABLE_PART);
  }

  async #accept(lease: Lease | undefined, heldUntil: number): Promise<void> {
    const tenure = this.#tenure;
    if (tenure && (lease?.token !== tenure.lease.token || this.#isOverdue)) {
      this.#lose();
      if (lease) await this.#giveBack(lease);
    } else if (!lease) {
      return;
    } else if (tenure) {
      tenure.heldUntil = heldUntil;
      this.#watchDeadline();
    } else if (!this.#isCompeting) {
      await this.#giveBack(lease);
    } else if (monotonic(this.store.clock) < heldUntil) {
      this.#begin({ lease, heldUntil });
    }
  }

  #begin(tenure: { readonly lease: Lease; heldUntil: number }): void {
    this.#isCompeting = false;
    this.#tenure = tenure;
    this.#watchDeadline();
    const isHeld = (): boolean => this.#tenure === tenure && !this.#isOverdue;
    this.listener.gained({
      lease: tenure.lease,
      get isHeld() {
        return isHeld();
      },
      lost: () => {
        if (this.#tenure === tenure) this.#lose();
      },
    });
  }

  get #isOverdue(): boolean {
    return this.#tenure !== undefined && monotonic(this.store.clock) >= this.#tenure.heldUntil;
  }

  #watchDeadline(): void {
    this.#cancelDeadline?.();
    const { clock } = this.store;
    const lose = (): void => this.#lose();
    this.#cancelDeadline = clock.setTimer(lose, this.#tenure!.heldUntil - monotonic(clock), { background: true });
  }

  #lose(): void {
    this.#endTenure();
    this.#cancelTimer?.();
    this.listener.lost(new LeaseLostError(this.name));
  }

  #endTenure(): void {
    this.#tenure = undefined;
    this.#cancelDeadline?.();
  }

  #schedule(): void {
    if (!this.#isCompeting && !this.#tenure) return;
    const perDuration = this.#tenure && !this.#wasAnswered ? TRIES_PER_DURATION : ASKS_PER_DURATION;
    const ask = (): void => this.#askInBackground();
    this.#cancelTimer?.();
    this.#cancelTimer = this.store.clock.setTimer(ask, this.durationMs / perDuration, { background: true });
  }

  async #giveBack(lease: Lease): Promise<void> {
    try {
      await internalsOf(this.store).releaseLease(lease);
    } catch (error) {
      this.#trouble.report(error);
    }
  }
}
