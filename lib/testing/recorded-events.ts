import { END } from '../store/values/cursor.js';
import type { EventStore } from '../store/event-store.js';
import type { RecordedEvent } from '../store/values/event.js';
import type { Subscription } from '../store/ports/subscription.js';

// Taken before a test can put fake timers in their place: how long a test waits is real time, whatever it does to time.
const { setTimeout, clearTimeout } = globalThis;

export interface NextEventOptions {
  /** How long to wait, in milliseconds of real time. Default 4 000, so that it ends before a test runner gives up. */
  readonly timeoutMs?: number;
}

/** A call of `next` that has not got its event yet. */
interface Waiting {
  readonly predicate: (event: RecordedEvent) => boolean;
  readonly resolve: (event: RecordedEvent) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Collects what is appended to a store, to all streams but the store's own, for tests of code that appends.
 *
 * Every question waits until what was appended before it has arrived. What was collected stays, also when retention
 * removes it from the store.
 */
export class RecordedEvents implements AsyncDisposable {
  readonly #subscription: Subscription;
  readonly #collecting: Promise<void>;
  #events: RecordedEvent[] = [];
  /** Those that `next` has not given to anybody. */
  #notGiven: RecordedEvent[] = [];
  readonly #waiting = new Set<Waiting>();
  /** Set by `close`: whether everything had arrived. */
  #completed: Promise<void> | undefined;

  private constructor(subscription: Subscription) {
    this.#subscription = subscription;
    this.#collecting = this.#collect();
  }

  /** Collects from now on: resolves when nothing that is appended afterwards can be missed. */
  static async of(store: EventStore): Promise<RecordedEvents> {
    const subscription = store.subscribe({ all: true }, END);
    // Asking for the lag waits until the end of the log was found, which is where it begins.
    await subscription.lag();
    return new RecordedEvents(subscription);
  }

  /**
   * Everything that was appended, in the order of the log.
   *
   * @throws {StoreClosedError} when the store was closed: ask before
   */
  async all(): Promise<RecordedEvent[]> {
    await this.#arrived();
    return [...this.#events];
  }

  /** What was appended to one stream, in order. @throws {StoreClosedError} as `all` */
  async of(streamId: string): Promise<RecordedEvent[]> {
    return (await this.all()).filter((event) => event.streamId === streamId);
  }

  /** The types of all events, in order. @throws {StoreClosedError} as `all` */
  async types(): Promise<string[]> {
    return (await this.all()).map(({ type }) => type);
  }

  /**
   * The first event that fits and was not given by an earlier `next`; waits for it when there is none yet. So it does not
   * matter whether the event comes before the call or after it, and each event is given once.
   *
   * @param predicate default any event
   * @throws {Error} when none came in time; it says what came instead
   * @throws {StoreClosedError | SubscriptionEndedError} when the store or this was closed before
   */
  async next(
    predicate: (event: RecordedEvent) => boolean = () => true,
    { timeoutMs = 4_000 }: NextEventOptions = {},
  ): Promise<RecordedEvent> {
    const index = this.#notGiven.findIndex((event) => predicate(event));
    if (index >= 0) return this.#notGiven.splice(index, 1)[0];
    return new Promise<RecordedEvent>((resolve, reject) => {
      const settle =
        <Result>(how: (result: Result) => void) =>
        (result: Result): void => {
          clearTimeout(timer);
          this.#waiting.delete(waiting);
          how(result);
        };
      const waiting: Waiting = { predicate, resolve: settle(resolve), reject: settle(reject) };
      const timer = setTimeout(() => waiting.reject(this.#tooLate(timeoutMs)), timeoutMs);
      this.#waiting.add(waiting);
      // Nothing more comes when the collecting has ended; then the subscription says why.
      this.#collecting.then(() => this.#subscription.caughtUp()).catch(waiting.reject);
    });
  }

  /** Forgets what was appended until now, so that a test can look at what comes after its preparations. */
  async clear(): Promise<void> {
    await this.#arrived();
    this.#events = [];
    this.#notGiven = [];
  }

  /** Ends the collecting, when what was appended before has arrived; that can still be asked for. Idempotent. */
  async close(): Promise<void> {
    this.#completed ??= this.#subscription.caughtUp();
    // Whoever asks for the events is told that they are not complete.
    await this.#completed.catch(() => undefined);
    await this.#subscription.close();
    await this.#collecting;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #arrived(): Promise<void> {
    await (this.#completed ?? this.#subscription.caughtUp());
  }

  async #collect(): Promise<void> {
    try {
      for await (const event of this.#subscription) this.#take(event);
    } catch {
      // The subscription keeps its failure, and gives it to everybody who asks whether it has caught up.
    }
  }

  #take(event: RecordedEvent): void {
    this.#events.push(event);
    for (const waiting of this.#waiting) {
      try {
        if (waiting.predicate(event)) return waiting.resolve(event);
      } catch (error) {
        waiting.reject(error);
      }
    }
    this.#notGiven.push(event);
  }

  #tooLate(timeoutMs: number): Error {
    const came = this.#events.slice(-10).map(({ type, streamId, position }) => `${type} (${streamId} ${position})`);
    const count = this.#events.length;
    const others =
      count === 0 ? 'none' : `${count}${count > came.length ? ', the last of them' : ''}: ${came.join(', ')}`;
    return new Error(`No event that fits was appended within ${timeoutMs} ms. Recorded were ${others}.`);
  }
}
