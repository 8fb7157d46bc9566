import { EventStoreError, StorageFailedError, StorageUnavailableError } from '../store/values/errors.js';
import type { StorageOutage } from '../store/ports/subscription.js';
import { Interrupted } from './interrupted.js';

/** How long who works waits for a storage that is away: soon after it is there again, it is at work. */
export const ASK_AGAIN_AFTER_MS = 1_000;
const FIRST_PAUSE_MS = 100;
/** A server that starts anew is soon there again; what somebody has to fix takes longer. */
const LAST_PAUSE_MS = 5_000;
const LAST_PAUSE_AFTER_FAILURE_MS = 30_000;

/**
 * Whether a failure of the storage may be over when it is asked again: it was away, refused something, or failed with what
 * is no error of the store. Damage and misuse stay, and so does what the store itself has to say.
 */
export function mayPass(error: unknown): boolean {
  if (error instanceof StorageUnavailableError || error instanceof StorageFailedError) return true;
  return !(error instanceof EventStoreError || error instanceof Interrupted);
}

/** How long to wait after a failure. @param before how long it was the last time; undefined the first time */
export function pauseAfter(error: unknown, before: number | undefined): number {
  if (before === undefined) return FIRST_PAUSE_MS;
  return Math.min(2 * before, error instanceof StorageUnavailableError ? LAST_PAUSE_MS : LAST_PAUSE_AFTER_FAILURE_MS);
}

/**
 * A time in which the storage fails, for who knows its place and loses nothing by waiting.
 *
 * It is said once, when it begins, however often it is tried meanwhile.
 */
export class Outage {
  #failure: { readonly error: unknown; readonly since: number } | undefined;

  /**
   * @param now in milliseconds
   * @param report says that it has begun
   */
  constructor(
    private readonly now: () => number,
    private readonly report: (error: unknown) => void,
  ) {}

  /** What there is to say of it; undefined when the storage answers. */
  get current(): StorageOutage | undefined {
    return this.#failure && { error: this.#failure.error, durationMs: this.now() - this.#failure.since };
  }

  /** Notes a failure. */
  failed(error: unknown): void {
    if (!this.#failure) this.report(error);
    this.#failure = { error, since: this.#failure?.since ?? this.now() };
  }

  /** Notes an answer. */
  answered(): void {
    this.#failure = undefined;
  }

  /** Asks until there is an answer. @throws a failure that will not pass, and what `pause` throws */
  async outlast<Answer>(ask: () => Promise<Answer>, pause: (ms: number) => Promise<void>): Promise<Answer> {
    for (let pauseMs: number | undefined; ;) {
      try {
        const answer = await ask();
        this.answered();
        return answer;
      } catch (error) {
        if (!mayPass(error)) throw error;
        this.failed(error);
        pauseMs = error instanceof StorageUnavailableError ? ASK_AGAIN_AFTER_MS : pauseAfter(error, pauseMs);
      }
      await pause(pauseMs);
    }
  }
}
