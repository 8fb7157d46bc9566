import type { StreamSubscriptionStatus } from '../nest/stream-subscriptions.js';
import { type Clock, monotonic } from '../store/values/clock.js';

/** A handler that does not come forward. */
export interface Stuck {
  /** In milliseconds since 1970. */
  readonly since: number;
  /** How long that is, whatever the clock was set to meanwhile. */
  readonly durationMs: number;
}

/**
 * Sees from one check to the next whether handlers that are behind come forward.
 *
 * A handler is stuck since the first check that found it at work, behind, and at the position where it still is.
 */
export class HandlerWatch {
  readonly #seen = new Map<string, { readonly position: number; readonly since: number; readonly at: number }>();

  /** Whether and since when the handler is stuck. */
  look({ name, state, position, lag }: StreamSubscriptionStatus, clock: Clock): Stuck | undefined {
    const at = monotonic(clock);
    const before = this.#seen.get(name);
    if (lag === 0 || state === 'paused' || state === 'standby') this.#seen.delete(name);
    else if (before?.position !== position) this.#seen.set(name, { position, since: clock.now(), at });
    const seen = this.#seen.get(name);
    return seen && { since: seen.since, durationMs: at - seen.at };
  }
}
