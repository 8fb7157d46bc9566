import type { RecordedEvent } from '../../store/values/event.js';
import { MOST_BYTES_A_PAGE } from '../../store/values/page-bytes.js';
import { largeTextOf } from '../../store/values/recorded-event.js';

/** An event that was taken from the log and not begun yet. */
export interface WaitingEvent {
  readonly event: RecordedEvent;
  readonly done: () => void;
}

/** Events that wait for a place at a handler, in their order: no more than so many, and no more than a page in bytes. */
export class WaitingEvents {
  readonly #events: WaitingEvent[] = [];
  /** Of the large ones; the others are bounded by their number. */
  #bytes = 0;

  /** @param most how many at most */
  constructor(private readonly most: number) {}

  get isFull(): boolean {
    return this.#events.length >= this.most || this.#bytes >= MOST_BYTES_A_PAGE;
  }

  add(waiting: WaitingEvent): void {
    this.#bytes += largeTextOf(waiting.event);
    this.#events.push(waiting);
  }

  /** Takes the first one that may begin. */
  take(mayBegin: (event: RecordedEvent) => boolean): WaitingEvent | undefined {
    const index = this.#events.findIndex(({ event }) => mayBegin(event));
    if (index < 0) return undefined;
    const [waiting] = this.#events.splice(index, 1);
    this.#bytes -= largeTextOf(waiting.event);
    return waiting;
  }

  /** Lets one that was taken wait again, before the others. */
  putBack(waiting: WaitingEvent): void {
    this.#bytes += largeTextOf(waiting.event);
    this.#events.unshift(waiting);
  }

  clear(): void {
    this.#events.length = 0;
    this.#bytes = 0;
  }
}
