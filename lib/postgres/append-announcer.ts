import { monotonic } from '../store/values/clock.js';
import { StorageFailedError } from '../store/values/errors.js';
import type { EngineContext } from '../store/ports/storage-engine.js';
import type { PostgresClient, Query } from './postgres-client.js';

/** How soon after one announcement the next may follow. */
const INTERVAL_MS = 10;

/** How long to keep quiet when the server has refused an announcement, before it is tried again. */
const SILENCE_MS = 10_000;

/** More streams than this are not named: everybody looks. */
const MOST_STREAMS_NAMED = 16;

/** What a commit says to other instances. */
export interface Announcement {
  readonly channel: string;
  readonly sender: string;
  /** With more streams than this, it says nothing but that there is news. */
  readonly mostStreams: number;
  /** Takes why the server kept the events, but would not say so. */
  refused(error: unknown): void;
}

/**
 * Decides which commits tell other instances of themselves.
 *
 * A NOTIFY wakes every instance, this one included, and costs as much as a small append. So one commit within 10 ms carries
 * it, and the last one is announced when no other has come.
 *
 * When the server refuses an announcement, as it does while its queue of notifications is full, commits keep quiet. Every ten
 * seconds an announcement of its own finds out whether it takes them again.
 */
export class AppendAnnouncer {
  #isClosed = false;
  #lastAt = -Infinity;
  /** Forgets the announcement of those that kept quiet; undefined when there were none. */
  #cancelTimer: (() => void) | undefined;
  /** Ends the wait for the next attempt, while announcements are refused; undefined while they are not. */
  #cancelAttempt: (() => void) | undefined;

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
    if (this.#cancelAttempt) return undefined;
    const { clock } = this.context;
    const now = monotonic(clock);
    if (now - this.#lastAt < INTERVAL_MS) {
      this.#cancelTimer ??= clock.setTimer(() => void this.#announce(), INTERVAL_MS, { background: true });
      return undefined;
    }
    this.#lastAt = now;
    // It speaks for those that kept quiet before it, whatever their streams.
    const mostStreams = this.#cancelTimer ? 0 : MOST_STREAMS_NAMED;
    this.#cancel();
    const refused = (error: unknown): void => this.#keepQuiet(error);
    return { channel: this.channel, sender: this.sender, mostStreams, refused };
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#cancelAttempt?.();
  }

  async #announce(): Promise<void> {
    this.#cancelTimer = undefined;
    this.#lastAt = monotonic(this.context.clock);
    // Nobody waits for it: whoever does not hear it looks for news within a second.
    await this.client.run(notify(this.channel, this.sender)).catch((error: unknown) => {
      if (error instanceof StorageFailedError) this.#keepQuiet(error);
    });
  }

  #keepQuiet(error: unknown): void {
    if (this.#cancelAttempt || this.#isClosed) return;
    this.#cancel();
    const { logger, storeName } = this.context;
    logger.warn(
      `Store "${storeName}" keeps appends without telling other instances, which see them up to a second later: ` +
        `${error instanceof Error ? error.message : String(error)}`,
    );
    this.#waitForAttempt();
  }

  #waitForAttempt(): void {
    this.#cancelAttempt = this.context.clock.setTimer(() => void this.#attempt(), SILENCE_MS, { background: true });
  }

  async #attempt(): Promise<void> {
    try {
      await this.client.run(notifyAfterCleaning(this.channel, this.sender));
      this.#cancelAttempt = undefined;
    } catch {
      if (!this.#isClosed) this.#waitForAttempt();
    }
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

/** A queue that was full stays so until somebody asks how full it is, or listens; the server cleans it only then. */
function notifyAfterCleaning(channel: string, sender: string): Query<void> {
  const { text, ...query } = notify(channel, sender);
  return { ...query, text: text.replace('SELECT', 'SELECT pg_notification_queue_usage(),') };
}
