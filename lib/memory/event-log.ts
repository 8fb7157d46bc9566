import { Chunk, EVENTS_PER_CHUNK } from './chunk.js';

/** All events in the order they were recorded, chunk by chunk. Global positions count from 1 and skip none. */
export class EventLog {
  readonly #chunks: Chunk[] = [];
  /** The bounds of time of all chunks but the last, beside each other: a range looks at each of them. */
  readonly #earliest: number[] = [];
  readonly #latest: number[] = [];
  /** No event before the last chunk had more text than this. */
  #largestTextBytes = 0;
  /** How many chunks were dropped at the front. */
  #dropped = 0;
  #head = 0;
  #trimmedTo = 0;

  /**
   * A log as it was when its chunks were cut.
   *
   * @param chunks that follow each other up to `head`, the first one with the event after `trimmedTo`
   */
  static restored(chunks: readonly Chunk[], head: number, trimmedTo: number): EventLog {
    const log = new EventLog();
    for (const chunk of chunks) log.#add(chunk);
    log.#dropped = Math.floor((chunks.length === 0 ? head : chunks[0].firstGlobalPosition) / EVENTS_PER_CHUNK);
    log.#head = head;
    log.#trimmedTo = trimmedTo;
    return log;
  }

  /** The global position of the last event; 0 for an empty log. */
  get head(): number {
    return this.#head;
  }

  /** The global position of the last event that was removed; 0 when none was. */
  get trimmedTo(): number {
    return this.#trimmedTo;
  }

  get chunks(): readonly Chunk[] {
    return this.#chunks;
  }

  /** When the last event was recorded, in milliseconds since 1970. */
  get lastRecordedAt(): number {
    const last = this.#chunks[this.#chunks.length - 1];
    return last && last.count > 0 ? last.recordedAt[last.count - 1] : -Infinity;
  }

  /** No event has more text than this, nor had any that was removed. */
  get largestTextBytes(): number {
    return Math.max(this.#largestTextBytes, this.#chunks[this.#chunks.length - 1]?.largestTextBytes ?? 0);
  }

  /** What the log takes of the process's memory. */
  get bytes(): number {
    let bytes = 0;
    for (const chunk of this.#chunks) bytes += chunk.bytes;
    return bytes;
  }

  /** The chunk that takes the next event. */
  chunkForNext(): Chunk {
    const last = this.#chunks[this.#chunks.length - 1];
    if (last && !last.isFull) return last;
    // The next chunk will probably need what this one needed, and a little more.
    const chunk = new Chunk(this.#head + 1, last ? Math.ceil(last.textBytes * 1.02) : 0);
    this.#add(chunk);
    return chunk;
  }

  #add(chunk: Chunk): void {
    const last = this.#chunks[this.#chunks.length - 1];
    if (last) {
      this.#earliest.push(last.earliest);
      this.#latest.push(last.latest);
      this.#largestTextBytes = this.largestTextBytes;
    }
    this.#chunks.push(chunk);
  }

  /** Says that an event was pushed to `chunkForNext()`. @returns its global position */
  advance(): number {
    return ++this.#head;
  }

  /** Takes back the newest events until `head` is the last. */
  truncate(head: number): void {
    while (this.#chunks.length > 0 && this.#chunks.at(-1)!.firstGlobalPosition > head) {
      this.#chunks.pop();
      this.#earliest.pop();
      this.#latest.pop();
    }
    const last = this.#chunks.at(-1);
    last?.truncate(head - last.firstGlobalPosition + 1);
    this.#head = head;
  }

  chunkOf(globalPosition: number): Chunk {
    return this.#chunks[Math.floor((globalPosition - 1) / EVENTS_PER_CHUNK) - this.#dropped];
  }

  /** The chunks that may have events between two times, both inclusive; in the order of the log. */
  chunksBetween(from: number, to: number): Chunk[] {
    const found: Chunk[] = [];
    for (let index = 0; index < this.#latest.length; index++) {
      if (this.#latest[index] >= from && this.#earliest[index] <= to) found.push(this.#chunks[index]);
    }
    const last = this.#chunks[this.#chunks.length - 1];
    if (last && last.count > 0 && last.latest >= from && last.earliest <= to) found.push(last);
    return found;
  }

  /** Forgets everything up to a global position. Memory comes back chunk by chunk. @returns the chunks that went */
  trimTo(globalPosition: number): Chunk[] {
    this.#trimmedTo = globalPosition;
    const gone: Chunk[] = [];
    while (this.#chunks.length > 0 && this.#chunks[0].isFull && this.#chunks[0].lastGlobalPosition <= globalPosition) {
      gone.push(this.#chunks.shift()!);
      this.#earliest.shift();
      this.#latest.shift();
      this.#dropped++;
    }
    // A chunk that is not full takes more events; what it has goes as far as it can.
    if (globalPosition === this.#head) this.#chunks[0]?.dropTexts();
    return gone;
  }

  /** The global position of the first event that is still there and was recorded at `time` or later; `head + 1` if none. */
  firstRecordedSince(time: number): number {
    let low = this.#trimmedTo + 1;
    let high = this.#head + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const chunk = this.chunkOf(middle);
      if (chunk.recordedAt[middle - chunk.firstGlobalPosition] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
