import type { EngineContext } from '../store/storage-engine.js';
import type { PostgresClient, Query } from './postgres-client.js';

/** How soon after one announcement the next may follow. */
const INTERVAL_MS = 10;

/** More streams than this are not named: everybody looks. */
const MOST_STREAMS_NAMED = 16;

/** What a commit says to other instances. */
export interface Announcement {
  readonly channel: string;
  readonly sender: string;
  /** With more streams than this, it says nothing but that there is news. */
  readonly mostStreams: number;
}

/**
 * Decides which commits tell other instances of themselves.
 *
 * A NOTIFY wakes every instance, this one included, and costs as much as a small append. So one commit within 10 ms carries
 * it, and the last one is announced when no other has come.
 */
export class AppendAnnouncer {
  #lastAt = -Infinity;
  /** Forgets the announcement of those that kept quiet; undefined when there were none. */
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

  /** What the next commit is to say; undefined when it is to keep quiet. */
  next(): Announcement | undefined {
    const { clock } = this.context;
    const now = clock.now();
    // A clock that was put back must not silence anybody.
    if (Math.abs(now - this.#lastAt) < INTERVAL_MS) {
      this.#cancelTimer ??= clock.setTimer(() => void this.#announce(), INTERVAL_MS, { background: true });
      return undefined;
    }
    this.#lastAt = now;
    // It speaks for those that kept quiet before it, whatever their streams.
    const mostStreams = this.#cancelTimer ? 0 : MOST_STREAMS_NAMED;
    this.#cancel();
    return { channel: this.channel, sender: this.sender, mostStreams };
  }

  close(): void {
    this.#cancel();
  }

  async #announce(): Promise<void> {
    this.#cancelTimer = undefined;
    this.#lastAt = this.context.clock.now();
    // Nobody waits for it: whoever does not hear it looks for news within a second.
    await this.client.run(notify(this.channel, this.sender)).catch(() => undefined);
  }

  #cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

/** Nothing is lost with it, so it need not wait for the disk. */
function notify(channel: string, sender: string): Query<void> {
  const text = `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`;
  return { isPrepared: true, text, values: [channel, sender], answer: () => undefined };
}
