import type { RecordRun } from './record-run.js';

/** How many events a chunk holds. */
export const EVENTS_PER_CHUNK = 4_096;

const SMALLEST_SEGMENT = 16 * 1_024;
const LARGEST_SEGMENT = 8 * 1_024 * 1_024;
const NO_TEXT = Buffer.alloc(0);
/** What an event takes of the order of time. */
const BYTES_PER_TIME_PLACE = 2 + 8;
/** What an event takes in the columns of a chunk. */
export const BYTES_PER_EVENT = 3 * 8 + 5 * 4 + 2 * 2;

/** How many events of the log share a run of records. */
export const EVENTS_PER_RUN = 1_024;

/** A part of the log, with those of its events that were read lately. */
export interface LogRun {
  records: RecordRun | undefined;
}

/** The events of a chunk by time. */
export interface TimeOrder {
  readonly places: Uint16Array;
  /** The time at each of `places`: beside each other, a search finds its way with few looks at the memory. */
  readonly times: Float64Array;
}

/** A chunk as it was at one moment: the places that were taken then. No append changes them, nor does a trim. */
export interface ChunkCut {
  readonly firstGlobalPosition: number;
  readonly count: number;
  /** The columns, in the order in which `Chunk.restored` takes them. */
  columns(): readonly Uint8Array[];
  /** The texts. */
  readonly segments: readonly Uint8Array[];
}

/**
 * 4 096 events that follow each other in the log, as columns of numbers; their texts lie as bytes in segments.
 *
 * There is no object for an event here, and nothing that the garbage collector has to visit: kept objects cost five to
 * ten times the bytes, and most of the time of an append went into copying them.
 */
export class Chunk {
  count = 0;
  /** Milliseconds since 1970, as in all columns of times. */
  readonly timestamps: Float64Array;
  readonly recordedAt: Float64Array;
  readonly positions: Float64Array;
  /** Numbers of streams and of types: indices into the engine's tables. */
  readonly streams: Uint32Array;
  readonly types: Uint32Array;

  // Where an event's texts lie: id, data and metadata follow each other in one segment.
  readonly #offsets: Uint32Array;
  readonly #dataBytes: Uint32Array;
  readonly #metadataBytes: Uint32Array;
  /** 0 when the id is derived from the global position and not stored. */
  readonly #idBytes: Uint16Array;
  readonly #segmentOf: Uint16Array;

  /** All columns, in the order in which they lie in memory and in snapshots. */
  readonly #columns: readonly (Float64Array | Uint32Array | Uint16Array)[];

  /** Only the last one may have bytes that are not used yet. */
  readonly #segments: Buffer[] = [];
  #segmentUsed = 0;
  #segmentBytes = 0;
  #textBytes = 0;
  /** No event has more text than this; it stays when the event is taken back. */
  largestTextBytes = 0;

  /** The bounds of `timestamps`. */
  earliest = Infinity;
  latest = -Infinity;
  /** Whether `timestamps` never falls. */
  isInOrder = true;
  #timeOrder: TimeOrder | undefined;

  /** The events made by reading; undefined where none was. */
  readonly runs: (LogRun | undefined)[] = [];

  /**
   * @param firstGlobalPosition of the event in place 0
   * @param expectedTextBytes how much text the chunk will probably hold, so that one segment is enough
   */
  constructor(
    readonly firstGlobalPosition: number,
    private readonly expectedTextBytes: number,
  ) {
    const columns = new ArrayBuffer(EVENTS_PER_CHUNK * BYTES_PER_EVENT);
    let offset = 0;
    const column = <Column extends { readonly byteLength: number }>(
      Type: new (buffer: ArrayBuffer, offset: number, length: number) => Column,
    ): Column => {
      const values = new Type(columns, offset, EVENTS_PER_CHUNK);
      offset += values.byteLength;
      return values;
    };
    this.timestamps = column(Float64Array);
    this.recordedAt = column(Float64Array);
    this.positions = column(Float64Array);
    this.streams = column(Uint32Array);
    this.types = column(Uint32Array);
    this.#offsets = column(Uint32Array);
    this.#dataBytes = column(Uint32Array);
    this.#metadataBytes = column(Uint32Array);
    this.#idBytes = column(Uint16Array);
    this.#segmentOf = column(Uint16Array);
    this.#columns = [
      this.timestamps,
      this.recordedAt,
      this.positions,
      this.streams,
      this.types,
      this.#offsets,
      this.#dataBytes,
      this.#metadataBytes,
      this.#idBytes,
      this.#segmentOf,
    ];
  }

  /**
   * A chunk as it was when `columns` and `segments` were cut from it.
   *
   * @param columns one behind the other, `count * BYTES_PER_EVENT` bytes
   */
  static restored(firstGlobalPosition: number, count: number, columns: Uint8Array, segments: readonly Buffer[]): Chunk {
    const chunk = new Chunk(firstGlobalPosition, 0);
    let offset = 0;
    for (const column of chunk.#columns) {
      const bytes = count * column.BYTES_PER_ELEMENT;
      new Uint8Array(column.buffer, column.byteOffset, bytes).set(columns.subarray(offset, offset + bytes));
      offset += bytes;
    }
    for (const segment of segments) {
      chunk.#segments.push(segment);
      chunk.#segmentUsed = segment.length;
      chunk.#segmentBytes += segment.length;
    }
    chunk.#textBytes = chunk.#segmentBytes;
    for (; chunk.count < count; chunk.count++) {
      chunk.#noteTime(chunk.timestamps[chunk.count]);
      chunk.largestTextBytes = Math.max(chunk.largestTextBytes, chunk.textBytesOf(chunk.count));
    }
    return chunk;
  }

  cut(): ChunkCut {
    const { firstGlobalPosition, count } = this;
    const last = this.#segments.length - 1;
    return {
      firstGlobalPosition,
      count,
      columns: () =>
        this.#columns.map(
          ({ buffer, byteOffset, BYTES_PER_ELEMENT }) => new Uint8Array(buffer, byteOffset, count * BYTES_PER_ELEMENT),
        ),
      segments: this.#segments.map((segment, index) =>
        index === last ? segment.subarray(0, this.#segmentUsed) : segment,
      ),
    };
  }

  get isFull(): boolean {
    return this.count === EVENTS_PER_CHUNK;
  }

  get lastGlobalPosition(): number {
    return this.firstGlobalPosition + this.count - 1;
  }

  /** What the chunk takes of the process's memory. */
  get bytes(): number {
    return (
      EVENTS_PER_CHUNK * BYTES_PER_EVENT +
      this.#segmentBytes +
      (this.#timeOrder ? this.#timeOrder.places.length * BYTES_PER_TIME_PLACE : 0)
    );
  }

  /** What the texts take, without what is still free. */
  get textBytes(): number {
    return this.#textBytes;
  }

  /** @param id undefined when it is derived from the global position */
  push(
    stream: number,
    position: number,
    type: number,
    timestamp: number,
    recordedAt: number,
    id: string | undefined,
    data: string,
    metadata: string,
  ): void {
    const place = this.count;
    this.#writeTexts(place, id, data, metadata);
    this.streams[place] = stream;
    this.positions[place] = position;
    this.types[place] = type;
    this.timestamps[place] = timestamp;
    this.recordedAt[place] = recordedAt;
    this.#noteTime(timestamp);
    this.count = place + 1;
  }

  /** Takes back the newest events until `count` are left. The bounds of time may stay wider than they need to be. */
  truncate(count: number): void {
    this.count = count;
    this.#timeOrder = undefined;
  }

  /** Frees the texts of all events so far, which must not be asked for any more. */
  dropTexts(): void {
    this.#segments.fill(NO_TEXT);
    this.#segmentBytes = 0;
    this.#segmentUsed = 0;
    this.#textBytes = 0;
  }

  id(place: number): string | undefined {
    const bytes = this.#idBytes[place];
    return bytes === 0 ? undefined : this.#text(place, 0, bytes);
  }

  data(place: number): string {
    return this.#text(place, this.#idBytes[place], this.#dataBytes[place]);
  }

  metadata(place: number): string {
    const bytes = this.#metadataBytes[place];
    return bytes === 0 ? '' : this.#text(place, this.#idBytes[place] + this.#dataBytes[place], bytes);
  }

  /** Whether the texts of an event lie within the segments, as those of every event do whose texts were not dropped. */
  hasTexts(place: number): boolean {
    const segment = this.#segments[this.#segmentOf[place]] as Buffer | undefined;
    return segment !== undefined && this.#offsets[place] + this.textBytesOf(place) <= segment.length;
  }

  /** How many bytes the texts of an event take. */
  textBytesOf(place: number): number {
    return this.#idBytes[place] + this.#dataBytes[place] + this.#metadataBytes[place];
  }

  /**
   * The places in the order of time, ties in the order of the log; undefined when that is the order they lie in.
   *
   * A full chunk does not change any more and keeps the answer.
   */
  timeOrder(): TimeOrder | undefined {
    if (this.isInOrder) return undefined;
    if (this.#timeOrder?.places.length === this.count) return this.#timeOrder;
    const { timestamps } = this;
    const places = new Uint16Array(this.count).map((_, place) => place);
    places.sort((a, b) => timestamps[a] - timestamps[b] || a - b);
    this.#timeOrder = { places, times: Float64Array.from(places, (place) => timestamps[place]) };
    return this.#timeOrder;
  }

  #noteTime(timestamp: number): void {
    if (timestamp < this.latest) this.isInOrder = false;
    else this.latest = timestamp;
    if (timestamp < this.earliest) this.earliest = timestamp;
  }

  #writeTexts(place: number, id: string | undefined, data: string, metadata: string): void {
    const atMost = mostBytes(data) + (id === undefined ? 0 : mostBytes(id)) + mostBytes(metadata);
    const segment = this.#segmentWithRoom(atMost);
    const start = this.#segmentUsed;
    const idEnd = id === undefined ? start : write(segment, start, id);
    const dataEnd = write(segment, idEnd, data);
    const end = metadata === '' ? dataEnd : write(segment, dataEnd, metadata);
    this.#offsets[place] = start;
    this.#idBytes[place] = idEnd - start;
    this.#dataBytes[place] = dataEnd - idEnd;
    this.#metadataBytes[place] = end - dataEnd;
    this.#segmentOf[place] = this.#segments.length - 1;
    this.#segmentUsed = end;
    this.#textBytes += end - start;
    if (end - start > this.largestTextBytes) this.largestTextBytes = end - start;
  }

  /** The texts of one event never cross from one segment to the next. */
  #segmentWithRoom(bytes: number): Buffer {
    const current = this.#segments[this.#segments.length - 1];
    if (current && this.#segmentUsed + bytes <= current.length) return current;
    const remaining = this.#segments.length === 0 ? this.expectedTextBytes : this.#averageTextBytesLeft();
    const size = Math.max(bytes, Math.min(Math.max(remaining, SMALLEST_SEGMENT), LARGEST_SEGMENT));
    if (current) this.#segments[this.#segments.length - 1] = current.subarray(0, this.#segmentUsed);
    // Outside of Node's shared pool, so that a segment's memory is free as soon as its chunk is dropped.
    const segment = Buffer.allocUnsafeSlow(size);
    this.#segments.push(segment);
    this.#segmentBytes += size;
    this.#segmentUsed = 0;
    return segment;
  }

  #averageTextBytesLeft(): number {
    return Math.ceil((this.#textBytes / Math.max(1, this.count)) * (EVENTS_PER_CHUNK - this.count));
  }

  #text(place: number, skip: number, bytes: number): string {
    const start = this.#offsets[place] + skip;
    return this.#segments[this.#segmentOf[place]].toString('utf8', start, start + bytes);
  }
}

/** Not less than the UTF-8 of `text` takes. Counting exactly pays off only for long texts. */
function mostBytes(text: string): number {
  return text.length <= 256 ? text.length * 3 : Buffer.byteLength(text);
}

/** Writes the UTF-8 of `text` and gives the place behind it. */
function write(segment: Buffer, start: number, text: string): number {
  // A call into Node's native writer costs as much as some sixty characters written here.
  if (text.length > 64) return start + segment.write(text, start);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) return start + segment.write(text, start);
    segment[start + index] = unit;
  }
  return start + text.length;
}
