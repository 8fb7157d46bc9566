import type { RecordedEvent } from '../store/event.js';
import type { StreamPage } from './stream-log.js';

// What a frozen record takes besides its texts: nine fields, two dates, the id, and the objects that JSON.parse made.
const BYTES_PER_RECORD = 400;
// A parsed text takes about twice its UTF-8: member values get a header each.
const BYTES_PER_TEXT_BYTE = 2;

/**
 * Keeps the events that were made by reading, up to a number of bytes, so that reading them again is copying an array.
 *
 * When it is full it lets pages go by the clock algorithm (F. J. Corbató, 1968): a page that was read since the hand last
 * passed stays for another round.
 */
export class RecordCache {
  #bytes = 0;
  readonly #pages: StreamPage[] = [];
  #hand = 0;

  /** @param maxBytes by estimate; 0 keeps nothing */
  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** @param textBytes how many bytes the texts of the event take */
  add(page: StreamPage, place: number, record: RecordedEvent, textBytes: number): void {
    if (this.maxBytes === 0) return;
    if (page.records?.[place]) return;
    if (!page.records) this.#pages.push(page);
    const lengthBefore = page.records?.length ?? 0;
    page.keep(place, record);
    page.wasRead = true;
    const bytes = BYTES_PER_RECORD + BYTES_PER_TEXT_BYTE * textBytes + 8 * (page.records!.length - lengthBefore);
    page.recordBytes += bytes;
    this.#bytes += bytes;
    while (this.#bytes > this.maxBytes) this.#letOneGo();
  }

  /** Drops the records of a page that is no longer part of its stream. */
  forget(page: StreamPage): void {
    if (page.records) this.#drop(this.#pages.indexOf(page));
  }

  #letOneGo(): void {
    for (;;) {
      if (this.#hand >= this.#pages.length) this.#hand = 0;
      const page = this.#pages[this.#hand];
      if (!page.wasRead) return this.#drop(this.#hand);
      page.wasRead = false;
      this.#hand++;
    }
  }

  #drop(index: number): void {
    const page = this.#pages[index];
    this.#bytes -= page.recordBytes;
    page.dropRecords();
    const last = this.#pages.pop()!;
    if (index < this.#pages.length) this.#pages[index] = last;
  }
}
