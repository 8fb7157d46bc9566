import type { RecordedEvent, StreamEventContext } from 'nestjs-stream-store';
import { until } from '../waiting/collect.js';

interface Call {
  readonly event: RecordedEvent;
  readonly context: StreamEventContext;
}

/** A handler that does with an event what a test has told it, and else succeeds; it knows events by their data. */
export class ScriptedHandler {
  /** Every call, as it began. */
  readonly calls: Call[] = [];
  /** The data of the events that were handled, in the order in which their attempts succeeded. */
  readonly handled: unknown[] = [];
  /** The data of the events that it is at work on. */
  readonly atWork: unknown[] = [];
  /** The most events that it was ever at work on at a time. */
  mostAtWork = 0;

  readonly #failures = new Map<unknown, { left: number; readonly error: unknown }>();
  readonly #held = new Map<unknown, { readonly released: Promise<void>; readonly release: () => void }>();

  /** The data of the events it was called with, in order, once for each attempt. */
  get begun(): unknown[] {
    return this.calls.map(({ event }) => event.data);
  }

  /** Fails the next attempts at an event. */
  fail(data: unknown, times = Infinity, error: unknown = new Error(`no ${String(data)}`)): this {
    this.#failures.set(data, { left: times, error });
    return this;
  }

  /** Lets attempts at an event succeed again. */
  fix(data: unknown): void {
    this.#failures.delete(data);
  }

  /** Lets attempts at events last until `release`. */
  hold(...events: unknown[]): this {
    for (const data of events) {
      let release!: () => void;
      const released = new Promise<void>((resolve) => (release = resolve));
      this.#held.set(data, { released, release });
    }
    return this;
  }

  release(data: unknown): void {
    this.#held.get(data)?.release();
    this.#held.delete(data);
  }

  /** Waits until the handler was called with an event so many times. */
  async hasBegun(data: unknown, times = 1): Promise<void> {
    await until(
      () => this.begun.filter((begun) => begun === data).length >= times,
      `attempt ${times} at ${String(data)}`,
    );
  }

  readonly handle = async (event: RecordedEvent, context: StreamEventContext): Promise<void> => {
    const { data } = event;
    this.calls.push({ event, context });
    this.atWork.push(data);
    this.mostAtWork = Math.max(this.mostAtWork, this.atWork.length);
    try {
      await this.#held.get(data)?.released;
      const failure = this.#failures.get(data);
      if (failure && failure.left > 0) {
        failure.left--;
        throw failure.error;
      }
      this.handled.push(data);
    } finally {
      this.atWork.splice(this.atWork.indexOf(data), 1);
    }
  };
}
