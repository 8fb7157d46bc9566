import { setMaxListeners } from 'node:events';
import { StoreClosedError } from '../values/errors.js';
import { isPromise, type MaybePromise } from '../values/maybe-promise.js';

/**
 * Lets calls through while the store is open.
 *
 * A store is new, then open, then closed for good. The first call opens a new store, and others wait for that; an opening
 * that fails leaves it new, so the next call tries again. Once `close` was called nothing more is let through, and `close`
 * waits for what was.
 */
export class StoreGate {
  #isOpen = false;
  #isClosed = false;
  #opening: Promise<void> | undefined;
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  /** @param start makes the store ready */
  constructor(
    private readonly storeName: string,
    private readonly start: () => MaybePromise<void>,
  ) {
    // Every replay that pauses listens to it, and Node takes more than ten listeners for a leak.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Whether a call may go ahead without waiting. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves when a call may go ahead. @throws {StoreClosedError} and what opening fails with */
  async ready(): Promise<void> {
    if (this.#isOpen) return;
    this.throwIfClosed();
    await (this.#opening ??= this.#open());
    this.throwIfClosed();
  }

  /** Aborts when the store begins to close. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  throwIfClosed(): void {
    if (this.#isClosed) throw new StoreClosedError(this.storeName);
  }

  /** Makes a call once the store is open; `close` waits for it. What answers at once stays without a promise. */
  call<T>(ask: () => MaybePromise<T>): MaybePromise<T> {
    const answer = this.#isOpen ? ask() : this.ready().then(ask);
    return isPromise(answer) ? this.untilSettled(answer) : answer;
  }

  /** A promise like `call`, for which `close` waits. */
  async untilSettled<T>(call: Promise<T>): Promise<T> {
    this.#running.add(call);
    try {
      return await call;
    } finally {
      this.#running.delete(call);
    }
  }

  /** Lets nothing more through. Resolves when every call let through has settled, with whether the store was ever open. */
  async close(): Promise<boolean> {
    this.#isOpen = false;
    this.#isClosed = true;
    this.#closing.abort();
    const wasOpened = await this.#opening?.then(
      () => true,
      () => false,
    );
    await Promise.allSettled(this.#running);
    return wasOpened ?? false;
  }

  async #open(): Promise<void> {
    try {
      await this.start();
      this.#isOpen = !this.#isClosed;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}
