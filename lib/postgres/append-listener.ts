import type { EngineContext } from '../store/ports/storage-engine.js';
import type { CheckedOutConnection } from './checked-out-connection.js';
import type { PostgresClient } from './postgres-client.js';

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 10_000;
const HEARTBEAT_MS = 15_000;

/**
 * Hears of the appends of other instances, on a connection of its own.
 *
 * A connection that breaks, does not answer within a heartbeat, or leads to a server that is the primary no more, is given
 * up; the next one is tried after a pause that
 * doubles from 100 ms to 10 s. What was said meanwhile is lost, so everybody is woken when it listens again. Nothing depends
 * on it: the store looks for news by itself every second.
 */
export class AppendListener {
  #isClosed = false;
  #connection: CheckedOutConnection | undefined;
  #endPause: (() => void) | undefined;
  readonly #running: Promise<void>;

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
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#connection?.destroy();
    this.#endPause?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.context;
    for (let pauseMs = FIRST_PAUSE_MS; !this.#isClosed; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
      if (await this.#listen()) pauseMs = FIRST_PAUSE_MS;
      // Instances that have lost the same server do not come back all at once.
      await this.#pause(pauseMs * (0.5 + (clock.random?.() ?? Math.random()) / 2));
    }
  }

  /** Listens until the connection is lost. @returns whether it ever heard anything */
  async #listen(): Promise<boolean> {
    let isListening = false;
    let stopWatching: (() => void) | undefined;
    try {
      const connection = await this.client.connect();
      this.#connection = connection;
      connection.connection.on('notification', ({ channel, payload = '' }) => {
        if (channel === this.channel) this.#hear(payload);
      });
      connection.connection.on('end', () => {
        if (connection === this.#connection) this.#endPause?.();
      });
      // What is said on a server that is the primary no more, nobody says any more.
      stopWatching = this.client.connections.onGivenUp(() => {
        connection.destroy();
        this.#endPause?.();
      });
      const listen = { text: `LISTEN "${this.channel}"`, values: [], answer: () => undefined };
      await this.#inTime(() => connection.run(listen));
      isListening = true;
      this.#say();
      for (;;) {
        await this.#pause(HEARTBEAT_MS);
        // A connection to a server that has vanished, or is a standby now, looks like one on which nothing is said.
        await this.#inTime(() => this.client.recheck(connection));
        await this.#inTime(() => connection.run(listen));
      }
    } catch {
      this.#connection?.destroy();
      this.#connection = undefined;
    }
    stopWatching?.();
    return isListening;
  }

  /** @throws when there is no answer within a heartbeat */
  async #inTime(ask: () => Promise<void>): Promise<void> {
    const connection = this.#connection!;
    if (this.#isClosed) connection.destroy();
    const cancelTimer = this.context.clock.setTimer(() => connection.destroy(), HEARTBEAT_MS, { background: true });
    await ask().finally(cancelTimer);
  }

  #hear(payload: string): void {
    const [sender] = payload.split(' ', 1);
    // Who appends here is told without a detour.
    if (sender !== this.self) this.#say(payload.slice(sender.length + 1) || undefined);
  }

  #say(streamId?: string): void {
    if (!this.#isClosed) this.tell(streamId);
  }

  async #pause(delayMs: number): Promise<void> {
    if (this.#isClosed) return;
    await new Promise<void>((resolve) => {
      const cancelTimer = this.context.clock.setTimer(resolve, delayMs, { background: true });
      this.#endPause = () => {
        cancelTimer();
        resolve();
      };
    });
    this.#endPause = undefined;
  }
}
