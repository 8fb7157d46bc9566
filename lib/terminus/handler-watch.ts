import type { StreamSubscriptionStatus } from '../nest/stream-subscriptions.js';

/**
 * Sees from one check to the next whether handlers that are behind come forward.
 *
 * A handler is stuck since the first check that found it at work, behind, and at the position where it still is.
 */
export class HandlerWatch {
  readonly #seen = new Map<string, { readonly position: number; readonly since: number }>();

  /** Since when the handler is stuck, in milliseconds since 1970; undefined when it is not. */
  stuckSince({ name, state, position, lag }: StreamSubscriptionStatus, now: number): number | undefined {
    const before = this.#seen.get(name);
    if (lag === 0 || state === 'paused' || state === 'standby') this.#seen.delete(name);
    else if (before?.position !== position) this.#seen.set(name, { position, since: now });
    return this.#seen.get(name)?.since;
  }
}
