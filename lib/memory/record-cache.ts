import type { RecordedEvent } from '../store/values/event.js';
import { RecordRun } from './record-run.js';

// What a frozen record takes besides its texts: nine fields, two dates, the id, and the objects that JSON.parse made.
const BYTES_PER_RECORD = 400;
// A parsed text takes about twice its UTF-8: member values get a header each.
const BYTES_PER_TEXT_BYTE = 2;

/** Whatever has places for events: a page of a stream, a part of the log. */
export interface RecordHolder {
  records: RecordRun | undefined;
}

/**
 * Keeps the events that were made by reading, up to a number of bytes, so that reading them again is copying an array.
 *
 * When it is full it lets runs of events go by the clock algorithm (F. J. Corbató, 1968): a run that was read since the hand
 * last passed stays for another round.
 */
export class RecordCache {
  #bytes = 0;
  readonly #holders: RecordHolder[] = [];
  #hand = 0;

  /** @param maxBytes by estimate; 0 keeps nothing */
  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** @param textBytes how many bytes the texts of the event take */
  add(holder: RecordHolder, place: number, record: RecordedEvent, textBytes: number): void {
    if (this.maxBytes === 0) return;
    if (!holder.records) {
      holder.records = new RecordRun();
      holder.records.slot = this.#holders.push(holder) - 1;
    }
    const run = holder.records;
    const lengthBefore = run.length;
    run.keep(place, record);
    run.wasRead = true;
    const bytes = BYTES_PER_RECORD + BYTES_PER_TEXT_BYTE * textBytes + 8 * (run.length - lengthBefore);
    run.bytes += bytes;
    this.#bytes += bytes;
    while (this.#bytes > this.maxBytes) this.#letOneGo();
  }

  /** Drops the records of what is no longer part of its stream or of the log. */
  forget(holder: RecordHolder): void {
    if (holder.records) this.#drop(holder);
  }

  #letOneGo(): void {
    for (;;) {
      if (this.#hand >= this.#holders.length) this.#hand = 0;
      const holder = this.#holders[this.#hand];
      const run = holder.records!;
      if (!run.wasRead) return this.#drop(holder);
      run.wasRead = false;
      this.#hand++;
    }
  }

  #drop(holder: RecordHolder): void {
    const { bytes, slot } = holder.records!;
    this.#bytes -= bytes;
    holder.records = undefined;
    const last = this.#holders.pop()!;
    if (last === holder) return;
    this.#holders[slot] = last;
    last.records!.slot = slot;
  }
}
