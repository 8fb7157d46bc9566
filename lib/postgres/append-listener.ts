import type { EngineContext } from '../store/storage-engine.js';
import type { CheckedOutConnection, PostgresClient, Query } from './postgres-client.js';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;
const HEARTBEAT_MS = 15_000;

const LISTEN_TO = (channel: string): Query<void> => ({
  text: `LISTEN "${channel}"`,
  values: [],
  answer: () => undefined,
});
const ARE_YOU_THERE: Query<void> = { text: 'SELECT 1', values: [], answer: () => undefined };

/**
 * Hears of the appends of other instances, on a connection of its own.
 *
 * It is connected, or about to be: a connection that breaks, or does not answer from one heartbeat to the next, is given up,
 * and the next one is tried after a pause that doubles from 100 ms to 10 s. What was said meanwhile is lost, so everybody is
 * woken when it listens again. Nothing depends on it: the store looks for news by itself every second.
 */
export class AppendListener {
  #connection: CheckedOutConnection | undefined;
  #cancelTimer: (() => void) | undefined;
  #retryMs = FIRST_RETRY_MS;
  #isClosed = false;
  #connecting: Promise<void> | undefined;

  /**
   * @param channel where others tell of their appends
   * @param self begins what this instance says itself
   * @param tell takes the stream, or undefined when it is not known
   */
  constructor(
    private readonly client: PostgresClient,
    private readonly channel: string,
    private readonly self: string,
    private readonly context: EngineContext,
    private readonly tell: (streamId?: string) => void,
  ) {
    this.#connecting = this.#connect();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    await this.#connecting;
    this.#giveUp();
  }

  async #connect(): Promise<void> {
    let connection: CheckedOutConnection | undefined;
    try {
      connection = await this.client.connect();
      const { connection: driver } = connection;
      driver.on('notification', ({ channel, payload = '' }) => {
        if (channel === this.channel) this.#hear(payload);
      });
      driver.on('end', () => this.#reconnect(connection));
      await connection.run(LISTEN_TO(this.channel));
      this.#connection = connection;
      this.#retryMs = FIRST_RETRY_MS;
      this.#say();
      this.#beat(connection);
    } catch {
      connection?.destroy();
      this.#retryLater();
    }
  }

  #hear(payload: string): void {
    const [sender] = payload.split(' ', 1);
    // Who appends here is told without a detour.
    if (sender !== this.self) this.#say(payload.slice(sender.length + 1) || undefined);
  }

  #say(streamId?: string): void {
    if (!this.#isClosed) this.tell(streamId);
  }

  /** A connection to a server that has vanished looks like one on which nothing is said. */
  #beat(connection: CheckedOutConnection): void {
    this.#later(HEARTBEAT_MS, async () => {
      this.#later(HEARTBEAT_MS, async () => this.#reconnect(connection));
      try {
        await connection.run(ARE_YOU_THERE);
        if (connection === this.#connection) this.#beat(connection);
      } catch {
        this.#reconnect(connection);
      }
    });
  }

  #reconnect(lost: CheckedOutConnection | undefined): void {
    if (lost === undefined || lost !== this.#connection) return;
    this.#giveUp();
    this.#retryLater();
  }

  #giveUp(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  #retryLater(): void {
    const chance = this.context.clock.random?.() ?? Math.random();
    this.#later(this.#retryMs * (0.5 + chance / 2), () => (this.#connecting = this.#connect()));
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  /** One timer at a time. */
  #later(delayMs: number, act: () => Promise<void>): void {
    this.#cancelTimer?.();
    if (this.#isClosed) return;
    this.#cancelTimer = this.context.clock.setTimer(() => void act(), delayMs, { background: true });
  }
}
