import type { EventIdSequence } from '../store/values/event-id.js';
import type { RecordedEvent } from '../store/values/event.js';
import { recordedEvent } from '../store/values/recorded-event.js';
import { type Chunk, EVENTS_PER_RUN, type LogRun } from './chunk.js';
import type { EventLog } from './event-log.js';
import type { NameTable } from './name-table.js';
import type { RecordCache } from './record-cache.js';
import type { Stretch } from './time-range.js';
import { EVENTS_PER_PAGE, type StreamLog } from './stream-log.js';

/**
 * Makes the events that readers get from what the columns hold, and keeps those that were made lately.
 *
 * They are kept twice over: by stream and by their order in the log, so that either kind of reader copies a part of an array.
 */
export class EventRecords {
  constructor(
    private readonly log: EventLog,
    private readonly streams: readonly StreamLog[],
    private readonly types: NameTable,
    private readonly ids: EventIdSequence,
    private readonly cache: RecordCache,
  ) {}

  /** The events of a stream at `count` positions that follow each other, in a new array. */
  ofStream(stream: StreamLog, first: number, count: number): RecordedEvent[] {
    let events: RecordedEvent[] | undefined;
    for (let position = first; position < first + count;) {
      const page = stream.pageOf(position);
      const begin = (position - 1) % EVENTS_PER_PAGE;
      const pageEnd = Math.min(position - begin + EVENTS_PER_PAGE, first + count);
      const slice = page.records?.slice(begin, begin + pageEnd - position);
      if (slice) {
        events = events ? events.concat(slice) : slice;
        position = pageEnd;
      } else {
        events ??= [];
        for (; position < pageEnd; position++) events.push(this.inStream(stream, position));
      }
    }
    return events ?? [];
  }

  inStream(stream: StreamLog, position: number): RecordedEvent {
    const page = stream.pageOf(position);
    const place = (position - 1) % EVENTS_PER_PAGE;
    const kept = page.records?.at(place);
    if (kept) {
      page.records!.wasRead = true;
      return kept;
    }
    const globalPosition = page.globalPositions[place];
    const chunk = this.log.chunkOf(globalPosition);
    const inChunk = globalPosition - chunk.firstGlobalPosition;
    const record = runOf(chunk, inChunk)?.records?.at(inChunk % EVENTS_PER_RUN) ?? this.#make(chunk, inChunk);
    this.cache.add(page, place, record, chunk.textBytesOf(inChunk));
    return record;
  }

  /** The events of a stretch, in its order, in a new array. */
  ofStretch({ chunk, places, begin, end }: Stretch): RecordedEvent[] {
    const events: RecordedEvent[] = [];
    if (!places) return this.ofChunk(chunk, begin, end);
    for (let turn = begin; turn < end; turn++) events.push(this.inChunk(chunk, places[turn]));
    return events;
  }

  /** The events of a chunk from place `begin` up to `end` (exclusive), in a new array. */
  ofChunk(chunk: Chunk, begin: number, end: number): RecordedEvent[] {
    let events: RecordedEvent[] | undefined;
    for (let place = begin; place < end;) {
      const inRun = place % EVENTS_PER_RUN;
      const runEnd = Math.min(place - inRun + EVENTS_PER_RUN, end);
      const slice = runOf(chunk, place)?.records?.slice(inRun, inRun + runEnd - place);
      if (slice) {
        events = events ? events.concat(slice) : slice;
        place = runEnd;
      } else {
        events ??= [];
        for (; place < runEnd; place++) events.push(this.inChunk(chunk, place));
      }
    }
    return events ?? [];
  }

  inChunk(chunk: Chunk, place: number): RecordedEvent {
    const run = (chunk.runs[Math.floor(place / EVENTS_PER_RUN)] ??= { records: undefined });
    const inRun = place % EVENTS_PER_RUN;
    const kept = run.records?.at(inRun);
    if (kept) {
      run.records!.wasRead = true;
      return kept;
    }
    const position = chunk.positions[place];
    const page = this.streams[chunk.streams[place]].pageOf(position);
    const record = page.records?.at((position - 1) % EVENTS_PER_PAGE) ?? this.#make(chunk, place);
    this.cache.add(run, inRun, record, chunk.textBytesOf(place));
    return record;
  }

  idAt(globalPosition: number): string {
    const chunk = this.log.chunkOf(globalPosition);
    return this.#idOf(chunk, globalPosition - chunk.firstGlobalPosition);
  }

  /** Lets go what was kept of a chunk that is no longer part of the log. */
  forget(chunk: Chunk): void {
    for (const run of chunk.runs) if (run) this.cache.forget(run);
  }

  #make(chunk: Chunk, place: number): RecordedEvent {
    return recordedEvent({
      id: this.#idOf(chunk, place),
      type: this.types.nameOf(chunk.types[place]),
      data: chunk.data(place),
      metadata: chunk.metadata(place),
      timestamp: chunk.timestamps[place],
      streamId: this.streams[chunk.streams[place]].streamId,
      position: chunk.positions[place],
      globalPosition: chunk.firstGlobalPosition + place,
      recordedAt: chunk.recordedAt[place],
    });
  }

  #idOf(chunk: Chunk, place: number): string {
    return chunk.id(place) ?? this.ids.idOf(chunk.firstGlobalPosition + place, chunk.recordedAt[place]);
  }
}

function runOf(chunk: Chunk, place: number): LogRun | undefined {
  return chunk.runs[Math.floor(place / EVENTS_PER_RUN)];
}
