import type { EventStore } from '../../store/event-store.js';
import { markOf } from '../../store/values/place.js';
import { KeyedMutex } from '../keyed-mutex.js';
import { LeaseHolder } from '../leases/lease-holder.js';

/** An engine keeps a row for each name that was ever leased, so letters share some. */
const CLAIMS = 64;
/** How long a claim outlives a process that has ended without giving it back. */
const CLAIM_MS = 30_000;
const ASK_AGAIN_AFTER_MS = 100;

/**
 * Lets each dead letter be handled once at a time: in this process by turns, and among those who share the log by leases.
 *
 * A process that stands still for longer than a lease lasts loses its claim while its handler is at work.
 */
export class DeadLetterClaims {
  readonly #turns = new KeyedMutex();

  constructor(private readonly store: EventStore) {}

  /** Acts when nobody else handles the letter any more. @throws what `act` fails with */
  hold(id: string, act: () => Promise<void>): Promise<void> {
    if (!this.store.supports.leases) return this.#turns.take(id, act);
    const claim = `$dead-letter-claim-${parseInt(markOf(id), 36) % CLAIMS}`;
    return this.#turns.take(claim, async () => {
      const holder = await this.#acquire(claim);
      try {
        await act();
      } finally {
        await holder.release();
      }
    });
  }

  async #acquire(claim: string): Promise<LeaseHolder> {
    const { store } = this;
    for (;;) {
      let isGained = false;
      const holder = new LeaseHolder(store, claim, CLAIM_MS, {
        gained: () => (isGained = true),
        refused: () => undefined,
        lost: () => undefined,
      });
      try {
        await holder.compete();
      } finally {
        if (!isGained) await holder.release();
      }
      if (isGained) return holder;
      await new Promise<void>((resolve) => store.clock.setTimer(resolve, ASK_AGAIN_AFTER_MS));
    }
  }
}
