import type { RecordedEvent } from '../store/values/event.js';

/** Events that follow each other, each made when it was first read; undefined where nobody has read yet. */
export class RecordRun {
  /** Without holes, so that copying a part of it stays a copy of memory. */
  readonly #records: (RecordedEvent | undefined)[] = [];
  /** How many of them are undefined. */
  #missing = 0;

  /** What the records take of the memory, by estimate. */
  bytes = 0;
  /** Where the cache has its holder in its list. */
  slot = 0;
  /** Whether they were read since the cache last looked. */
  wasRead = false;

  /** Up to which place (exclusive) there may be records. */
  get length(): number {
    return this.#records.length;
  }

  at(place: number): RecordedEvent | undefined {
    return this.#records[place];
  }

  /** The records from place `begin` up to `end` (exclusive) in a new array, if all of them are there. */
  slice(begin: number, end: number): RecordedEvent[] | undefined {
    if (end > this.#records.length) return undefined;
    const part = this.#records.slice(begin, end);
    if (this.#missing > 0 && part.includes(undefined)) return undefined;
    this.wasRead = true;
    return part as RecordedEvent[];
  }

  keep(place: number, record: RecordedEvent): void {
    const records = this.#records;
    if (place < records.length && records[place] === undefined) this.#missing--;
    for (; records.length < place; this.#missing++) records.push(undefined);
    records[place] = record;
  }
}
