import type { RecordRun } from './record-run.js';

/** How many positions of a stream one page covers. */
export const EVENTS_PER_PAGE = 1_024;
const SMALLEST_PAGE = 8;

/** A stretch of a stream: where its events lie in the log, and those of them that were read lately. */
export class StreamPage {
  /** The global position of each event; grows with the page. */
  globalPositions: Float64Array;
  count = 0;

  /** The events made by reading; undefined when none was. */
  records: RecordRun | undefined;

  /**
   * @param capacity for how many positions to make room at first
   * @param count how many of them are taken already
   */
  constructor(capacity: number, count = 0) {
    this.globalPositions = new Float64Array(capacity);
    this.count = count;
  }

  /** @returns how many bytes the page grew by */
  push(globalPosition: number): number {
    const { globalPositions } = this;
    let grown = 0;
    if (this.count === globalPositions.length) {
      this.globalPositions = new Float64Array(Math.min(this.count * 4, EVENTS_PER_PAGE));
      this.globalPositions.set(globalPositions);
      grown = this.globalPositions.byteLength - globalPositions.byteLength;
    }
    this.globalPositions[this.count++] = globalPosition;
    return grown;
  }
}

/**
 * Where one stream's events lie in the log, page by page.
 *
 * It outlives them: when retention has removed every event, the stream's positions still go on from `revision`.
 */
export class StreamLog {
  /** The position of the last event ever appended; 0 before the first. */
  revision = 0;
  /** The position of the first event that was not removed; `revision + 1` when none is left. */
  firstPosition = 1;

  readonly #pages: StreamPage[] = [];
  /** How many pages were dropped at the front. */
  #dropped = 0;
  #pageBytes = 0;

  /** @param number the stream's index in the engine's table */
  constructor(
    readonly streamId: string,
    readonly number: number,
  ) {}

  /**
   * A stream whose events before `firstPosition` were removed, and to which none was added since.
   *
   * @param number the stream's index in the engine's table
   */
  static beginningAt(firstPosition: number, streamId: string, number: number): StreamLog {
    const stream = new StreamLog(streamId, number);
    stream.firstPosition = firstPosition;
    stream.revision = firstPosition - 1;
    stream.#dropped = Math.floor(stream.revision / EVENTS_PER_PAGE);
    return stream;
  }

  /** How many events were not removed. */
  get count(): number {
    return this.revision - this.firstPosition + 1;
  }

  /** What the index takes of the memory, by estimate. */
  get bytes(): number {
    return 200 + 2 * this.streamId.length + this.#pageBytes;
  }

  /** Adds an event at the next position, which it returns. */
  push(globalPosition: number): number {
    let page = this.#pages[this.#pages.length - 1];
    if (!page || page.count === EVENTS_PER_PAGE) {
      // After retention has emptied a stream, its page begins with places that nobody needs any more.
      const removed = this.revision % EVENTS_PER_PAGE;
      // Most streams are short; a stream that has filled a page will probably fill the next.
      const isFirst = this.#pages.length === 0;
      page = new StreamPage(isFirst ? Math.min(removed + SMALLEST_PAGE, EVENTS_PER_PAGE) : EVENTS_PER_PAGE, removed);
      this.#pages.push(page);
      this.#pageBytes += pageBytes(page);
    }
    this.#pageBytes += page.push(globalPosition);
    return ++this.revision;
  }

  /** Takes back the newest events until `revision` is left. */
  truncate(revision: number): void {
    while (this.revision > revision) {
      const page = this.pageOf(this.revision);
      page.count--;
      if (page.count === 0) this.#pageBytes -= pageBytes(this.#pages.pop()!);
      this.revision--;
    }
  }

  /**
   * Forgets the first event. A page goes with its last event only, or with the stream's, so that a position always has the
   * same place in it.
   *
   * @returns the page, when it went
   */
  dropFirst(): StreamPage | undefined {
    this.firstPosition++;
    const isPageOver = (this.firstPosition - 1) % EVENTS_PER_PAGE === 0;
    if (!isPageOver && this.count > 0) return undefined;
    const page = this.#pages.shift()!;
    if (isPageOver) this.#dropped++;
    this.#pageBytes -= pageBytes(page);
    return page;
  }

  /** The page that covers a position which was not removed. */
  pageOf(position: number): StreamPage {
    return this.#pages[Math.floor((position - 1) / EVENTS_PER_PAGE) - this.#dropped];
  }

  globalPositionOf(position: number): number {
    return this.pageOf(position).globalPositions[(position - 1) % EVENTS_PER_PAGE];
  }

  /** The first position whose event lies at `globalPosition` or after it; `revision + 1` when there is none. */
  firstPositionFrom(globalPosition: number): number {
    let low = this.firstPosition;
    let high = this.revision + 1;
    if (low < high && this.globalPositionOf(low) >= globalPosition) return low;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.globalPositionOf(middle) < globalPosition) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function pageBytes(page: StreamPage): number {
  return 160 + page.globalPositions.byteLength;
}
