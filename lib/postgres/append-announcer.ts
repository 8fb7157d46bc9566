import type { EngineContext } from '../store/storage-engine.js';
import type { PostgresClient, Query } from './postgres-client.js';

/** How soon after one announcement the next may follow. */
const INTERVAL_MS = 10;

/**
 * Decides which commits tell other instances of themselves.
 *
 * A NOTIFY wakes every instance, this one included, and costs as much as a small append. So one commit within 10 ms carries
 * it; those that follow are announced together, by one that says nothing but that there is news.
 */
export class AppendAnnouncer {
  #lastAt = -Infinity;
  #cancelTimer: (() => void) | undefined;

  /**
   * @param channel where others listen
   * @param sender what this instance is called there
   */
  constructor(
    private readonly client: PostgresClient,
    private readonly channel: string,
    private readonly sender: string,
    private readonly context: EngineContext,
  ) {}

  /** What the next commit is to say; undefined when it is to keep quiet, and will be announced. */
  next(): { readonly channel: string; readonly sender: string } | undefined {
    const { clock } = this.context;
    const now = clock.now();
    // A clock that was put back must not silence anybody.
    if (Math.abs(now - this.#lastAt) >= INTERVAL_MS) {
      this.#lastAt = now;
      return { channel: this.channel, sender: this.sender };
    }
    this.#cancelTimer ??= clock.setTimer(() => void this.#announce(), INTERVAL_MS, { background: true });
    return undefined;
  }

  async #announce(): Promise<void> {
    this.#cancelTimer = undefined;
    this.#lastAt = this.context.clock.now();
    // Nobody waits for it: whoever does not hear it looks for news within a second.
    await this.client.run(notify(this.channel, this.sender)).catch(() => undefined);
  }

  close(): void {
    this.#cancelTimer?.();
  }
}

/** Nothing is lost with it, so it need not wait for the disk. */
function notify(channel: string, sender: string): Query<void> {
  const text = `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`;
  return { isPrepared: true, text, values: [channel, sender], answer: () => undefined };
}
