import type { Checkpoint } from '../store/values/checkpoint.js';
import {
  CheckpointChangedError,
  LogForkedError,
  StreamLimitReachedError,
  ValidationError,
  WrongExpectedRevisionError,
} from '../store/values/errors.js';
import { checkPart, type LogCheckPage, type LogCheckState, type PlaceInStream } from '../store/values/log-check.js';
import type { CompiledFilter, Pattern } from '../store/values/event-filter.js';
import { EventIdSequence } from '../store/values/event-id.js';
import type { RecordedEvent } from '../store/values/event.js';
import { isSameEvent } from '../store/services/same-event.js';
import type { MaybePromise } from '../store/values/maybe-promise.js';
import { EMPTY, type EmptiableEngine } from '../store/services/emptying.js';
import { exactRevision, revisionMatches } from '../store/values/expected-revision.js';
import { isOwnStream } from '../store/values/names.js';
import { goesOnFrom, type PlaceInLog } from '../store/values/place.js';
import type {
  AppendAnswer,
  AppendRequest,
  CheckpointConditions,
  EngineCapabilities,
  EngineContext,
  EngineUsage,
  Lease,
  GetDocumentsRequest,
  ListDocumentsRequest,
  ListStreamsRequest,
  LogPage,
  LogTime,
  NamedCheckpoint,
  ReadAllRequest,
  ReadStreamRequest,
  ReadTimeRangeRequest,
  Retained,
  SnapshotRequest,
  StorageEngine,
  StoredDocument,
  WriteDocumentsRequest,
  StreamEnd,
  StreamPage,
  TimePlace,
  TimeRangePage,
  TrimRequest,
} from '../store/ports/storage-engine.js';
import { compareStreamIds, type StoreSnapshot, type StreamInfo } from '../store/values/stream-info.js';
import { recordingTime } from '../store/values/time.js';
import { DocumentCollections } from './document-collections.js';
import { EventLog } from './event-log.js';
import { EventRecords } from './event-records.js';
import { LimitWarnings } from './limit-warnings.js';
import { FilterMemory } from './filter-memory.js';
import { cutOf, type KeptState } from './kept-state.js';
import {
  checkMemoryEngineOptions,
  type CheckedMemoryEngineOptions,
  type MemoryEngineOptions,
} from './memory-engine-options.js';
import { NameTable } from './name-table.js';
import { PageRoom } from './page-room.js';
import { RecordCache } from './record-cache.js';
import { type Disk, nodeDisk } from './snapshots/disk.js';
import { type ProcessTable, systemProcesses } from '../store/services/process-table.js';
import { SnapshotKeeper } from './snapshots/snapshot-keeper.js';
import { StreamLog } from './stream-log.js';
import { placeAt, walkTimeRange } from './time-range.js';

/** A read that finds little looks at no more events than this before it answers, to give the event loop back. */
const MOST_EVENTS_LOOKED_AT = 65_536;

/**
 * Keeps events in this process's memory. With a `snapshotDirectory`, they come back after a restart as they were when the
 * last snapshot was written; without one they are gone when the process ends.
 *
 * @throws {ValidationError} that names the option
 */
export function memoryEngine(options: MemoryEngineOptions = {}): StorageEngine {
  return memoryEngineOn(nodeDisk, systemProcesses, options);
}

/** @internal A memory engine on another disk, and among other processes. */
export function memoryEngineOn(disk: Disk, processes: ProcessTable, options: MemoryEngineOptions): StorageEngine {
  return new MemoryEngine(checkMemoryEngineOptions(options), disk, processes);
}

/** One log of columns, and an index of it for each stream. Every call is answered at once, so no two ever overlap. */
class MemoryEngine implements StorageEngine, EmptiableEngine {
  readonly name = 'memory';
  readonly place: string;
  readonly supports: EngineCapabilities;

  #log = new EventLog();
  #streamOf = new Map<string, StreamLog>();
  #streams: StreamLog[] = [];
  #types = new NameTable();
  #ids = new EventIdSequence();
  #cache: RecordCache;
  #records: EventRecords;
  #checkpoints = new Map<string, Checkpoint>();
  #documents: DocumentCollections;
  #filterMemories = new WeakMap<CompiledFilter, FilterMemory>();
  readonly #snapshots: SnapshotKeeper | undefined;

  #context!: EngineContext;
  #limitWarnings!: LimitWarnings;
  #isOpen = false;
  /** How many streams, without the store's own, have events that were not removed. */
  #filledStreams = 0;
  /** The streams in the order they are listed; undefined after a new one came. */
  #sortedStreams: StreamLog[] | undefined;
  #lastRecordedAt = -Infinity;
  /** How often something was changed; and how often it had been when the last snapshot was cut. */
  #changes = 0;
  #changesInSnapshot = 0;

  constructor(
    private readonly options: CheckedMemoryEngineOptions,
    disk: Disk,
    processes: ProcessTable,
  ) {
    const { snapshotDirectory: directory, keepSnapshots: keep, compression, recordCacheBytes } = options;
    this.supports = { snapshot: directory !== undefined, leases: false, transactions: false, documents: true };
    this.place =
      directory === undefined
        ? 'in memory, where events end with the process'
        : `in memory, with snapshots in ${directory}; a crash loses what came after the last one`;
    if (directory !== undefined)
      this.#snapshots = new SnapshotKeeper({ directory, keep, compression }, disk, processes);
    this.#documents = new DocumentCollections(options.maxDocumentBytes);
    this.#cache = new RecordCache(recordCacheBytes);
    this.#records = new EventRecords(this.#log, this.#streams, this.#types, this.#ids, this.#cache);
  }

  open(context: EngineContext): MaybePromise<void> {
    if (this.#isOpen) {
      throw new ValidationError(
        'engine',
        `store "${this.#context.storeName}" uses this engine already: make an engine for each store.`,
      );
    }
    this.#isOpen = true;
    this.#context = context;
    this.#limitWarnings = new LimitWarnings(context);
    if (this.#snapshots) return this.#load(this.#snapshots);
  }

  async #load(snapshots: SnapshotKeeper): Promise<void> {
    try {
      const found = await snapshots.open(this.#context);
      if (!found) return;
      this.#restore(found.state);
      // What was newer is lost; the next snapshot is to say so.
      this.#changesInSnapshot = found.isNewest ? this.#changes : -1;
    } catch (error) {
      this.#isOpen = false;
      throw error;
    }
  }

  close(): MaybePromise<void> {
    this.#isOpen = false;
    return this.#snapshots?.close();
  }

  /** The snapshot is cut before this returns, unless another one is being written. */
  async snapshot({ ifChanged }: SnapshotRequest): Promise<StoreSnapshot | undefined> {
    if (!this.#snapshots || (ifChanged && this.#changes === this.#changesInSnapshot)) return undefined;
    let changes: number | undefined;
    const snapshot = await this.#snapshots.write(() => {
      changes = this.#changes;
      const events = this.#log.head - this.#log.trimmedTo;
      return { cut: cutOf(this.#state()), events, streams: this.#filledStreams };
    });
    this.#changesInSnapshot = changes ?? this.#changesInSnapshot;
    return snapshot;
  }

  async flush(): Promise<void> {
    await this.snapshot({ ifChanged: true });
  }

  [EMPTY](): MaybePromise<void> {
    const { seed } = new EventIdSequence();
    this.#restore({
      ...{ log: new EventLog(), streams: [], types: new NameTable() },
      ...{ checkpoints: new Map(), documents: [], seed, lastRecordedAt: -Infinity },
    });
    this.#limitWarnings = new LimitWarnings(this.#context);
    this.#changesInSnapshot = ++this.#changes;
    return this.#snapshots?.removeAll();
  }

  #state(): KeptState {
    return {
      log: this.#log,
      streams: this.#streams,
      types: this.#types,
      checkpoints: this.#checkpoints,
      documents: this.#documents,
      seed: this.#ids.seed,
      lastRecordedAt: this.#lastRecordedAt,
    };
  }

  #restore({ log, streams, types, checkpoints, documents, seed, lastRecordedAt }: KeptState): void {
    this.#log = log;
    this.#streams = [...streams];
    this.#streamOf = new Map(streams.map((stream) => [stream.streamId, stream]));
    this.#sortedStreams = undefined;
    this.#filledStreams = streams.filter(({ streamId, count }) => count > 0 && !isOwnStream(streamId)).length;
    this.#types = types;
    this.#checkpoints = new Map(checkpoints);
    this.#documents = new DocumentCollections(this.options.maxDocumentBytes, documents);
    this.#ids = new EventIdSequence(seed);
    this.#lastRecordedAt = lastRecordedAt;
    this.#cache = new RecordCache(this.options.recordCacheBytes);
    this.#records = new EventRecords(this.#log, this.#streams, this.#types, this.#ids, this.#cache);
    this.#filterMemories = new WeakMap();
  }

  append(request: AppendRequest): AppendAnswer {
    const { streamId, events, expectedRevision } = request;
    const stream = this.#streamOf.get(streamId);
    const revision = stream?.revision ?? 0;
    if (!revisionMatches(expectedRevision, revision)) {
      const repeated = stream && this.#answerOfRetry(stream, request);
      if (repeated) return repeated;
      throw new WrongExpectedRevisionError(streamId, expectedRevision, revision);
    }
    if (events.length === 0) {
      return { firstPosition: revision + 1, globalPosition: this.#log.head, repeated: false };
    }
    if (!isOwnStream(streamId)) this.#checkLimits(streamId, stream, events.length, request);
    const filled = stream ?? this.#addStream(streamId);
    this.#push(filled, request);
    if (!isOwnStream(streamId)) this.#limitWarnings.look(filled, this.#filledStreams);
    return { firstPosition: revision + 1, globalPosition: this.#log.head, repeated: false };
  }

  /** The first answer, if the events of the request already lie where its expected revision says. */
  #answerOfRetry(stream: StreamLog, { events, expectedRevision }: AppendRequest): AppendAnswer | undefined {
    const expected = exactRevision(expectedRevision);
    if (expected === undefined || events.length === 0) return undefined;
    const last = expected + events.length;
    if (expected + 1 < stream.firstPosition || last > stream.revision) return undefined;
    const isRetry = events.every((event, index) => {
      const position = expected + 1 + index;
      const hasSameId = event.id === this.#records.idAt(stream.globalPositionOf(position));
      return hasSameId && isSameEvent(this.#records.inStream(stream, position), event);
    });
    if (!isRetry) return undefined;
    return { firstPosition: expected + 1, globalPosition: stream.globalPositionOf(last), repeated: true };
  }

  #checkLimits(streamId: string, stream: StreamLog | undefined, added: number, retained: Retained): void {
    const { maxEventsPerStream, maxStreams } = this.#context;
    // What has expired counts no more, but counting without it takes longer: only when it may make the difference.
    if ((stream?.count ?? 0) + added > maxEventsPerStream) {
      const kept = stream ? this.#keptCount(stream, this.#firstKept(retained)) : 0;
      if (kept + added > maxEventsPerStream) {
        throw new StreamLimitReachedError('maxEventsPerStream', maxEventsPerStream, streamId);
      }
    }
    if (this.#filledStreams < maxStreams) return;
    const firstKept = this.#firstKept(retained);
    if (stream && this.#keptCount(stream, firstKept) > 0) return;
    if (this.#keptStreams(firstKept) >= maxStreams)
      throw new StreamLimitReachedError('maxStreams', maxStreams, streamId);
  }

  #addStream(streamId: string): StreamLog {
    const stream = new StreamLog(streamId, this.#streams.length);
    this.#streams.push(stream);
    this.#streamOf.set(streamId, stream);
    this.#sortedStreams = undefined;
    return stream;
  }

  /** Adds all events or, when memory runs out on the way, none. */
  #push(stream: StreamLog, { events, recordedSince }: AppendRequest): void {
    const { head } = this.#log;
    const { revision, count } = stream;
    const now = this.#context.clock.now();
    const recordedAt = recordingTime(now, this.#lastRecordedAt, recordedSince);
    try {
      for (let index = 0; index < events.length; index++) {
        const event = events[index];
        this.#log
          .chunkForNext()
          .push(
            stream.number,
            stream.revision + 1,
            this.#types.numberOf(event.type),
            event.timestamp ?? now,
            recordedAt,
            event.id,
            event.data,
            event.metadata,
          );
        stream.push(this.#log.advance());
      }
    } catch (error) {
      stream.truncate(revision);
      this.#log.truncate(head);
      throw error;
    }
    this.#lastRecordedAt = recordedAt;
    this.#changes++;
    if (count === 0 && !isOwnStream(stream.streamId)) this.#filledStreams++;
  }

  readStream(request: ReadStreamRequest): StreamPage {
    const page = this.#readStream(request);
    if (!request.wantsIds) return page;
    const { streamId, after } = request;
    return { ...page, afterId: this.#idIn(streamId, after), reachedId: this.#idIn(streamId, page.position) };
  }

  #readStream({ streamId, after, limit, maxBytes, direction, types, recordedSince }: ReadStreamRequest): StreamPage {
    const stream = this.#streamOf.get(streamId);
    if (!stream) return { events: [], revision: 0, trimmedTo: 0, position: after, isEnd: true, isFull: false };
    const { revision } = stream;
    const firstKept =
      recordedSince === -Infinity ? stream.firstPosition : this.#firstKeptPosition(stream, recordedSince);
    const step = direction === 'forward' ? 1 : -1;
    const begin = step > 0 ? Math.max(after + 1, firstKept) : Math.min(after - 1, revision);
    const end = step > 0 ? revision + 1 : firstKept - 1;
    const available = Math.max(0, (end - begin) * step);
    const room = this.#roomFor(Math.min(limit, available), maxBytes);
    const bytesAt = (at: number): number => this.#textBytesAt(stream.globalPositionOf(at));

    if (types === undefined) {
      const most = Math.min(limit, available);
      const count = room ? room.takesOf(most, (index) => bytesAt(begin + index * step)) : most;
      const events = this.#records.ofStream(stream, step > 0 ? begin : begin - count + 1, count);
      if (step < 0) events.reverse();
      const position = count === 0 ? after : begin + (count - 1) * step;
      const isFull = room?.isFull ?? false;
      return { events, revision, trimmedTo: firstKept - 1, position, isEnd: count === available, isFull };
    }

    const events: RecordedEvent[] = [];
    const looked = Math.min(available, MOST_EVENTS_LOOKED_AT);
    let position = begin;
    for (; position !== begin + looked * step && events.length < limit; position += step) {
      if (!this.#hasType(stream.globalPositionOf(position), types)) continue;
      if (room && !room.takes(bytesAt(position))) break;
      events.push(this.#records.inStream(stream, position));
    }
    const isEnd = (end - position) * step <= 0;
    return {
      events,
      revision,
      trimmedTo: firstKept - 1,
      position: position === begin ? after : position - step,
      isEnd,
      isFull: room?.isFull ?? false,
    };
  }

  readAll(request: ReadAllRequest): LogPage {
    const page = this.#readAll(request);
    if (!request.wantsIds) return page;
    return { ...page, afterId: this.#idIn(null, request.after), reachedId: this.#idIn(null, page.globalPosition) };
  }

  #readAll({ after, limit, maxBytes, direction, filter, recordedSince }: ReadAllRequest): LogPage {
    const { head } = this.#log;
    const firstKept = this.#firstKept({ recordedSince });
    const step = direction === 'forward' ? 1 : -1;
    const begin = step > 0 ? Math.max(after + 1, firstKept) : Math.min(after - 1, head);
    const end = step > 0 ? head + 1 : firstKept - 1;
    const stop = begin + Math.min(Math.max(0, (end - begin) * step), MOST_EVENTS_LOOKED_AT) * step;
    const memory = filter && this.#memoryOf(filter);
    const room = this.#roomFor(Math.min(limit, (stop - begin) * step), maxBytes);
    let events: RecordedEvent[] = [];
    let position = begin;
    while (position !== stop && events.length < limit && !room?.isFull) {
      const chunk = this.#log.chunkOf(position);
      const place = position - chunk.firstGlobalPosition;
      if (!memory || memory.admitsAll(chunk)) {
        const inChunk = step > 0 ? chunk.count - place : place + 1;
        const most = Math.min(inChunk, (stop - position) * step, limit - events.length);
        const count = room ? room.takesOf(most, (index) => chunk.textBytesOf(place + index * step)) : most;
        const first = step > 0 ? place : place - count + 1;
        const more = this.#records.ofChunk(chunk, first, first + count);
        if (step < 0) more.reverse();
        events = joined(events, more);
        position += count * step;
      } else {
        if (memory.admits(chunk, place)) {
          if (room && !room.takes(chunk.textBytesOf(place))) break;
          events.push(this.#records.inChunk(chunk, place));
        }
        position += step;
      }
    }
    const globalPosition = position === begin ? after : position - step;
    const isEnd = (end - position) * step <= 0;
    return { events, globalPosition, head, trimmedTo: firstKept - 1, isEnd, isFull: room?.isFull ?? false };
  }

  readTimeRange({
    from,
    to,
    after,
    upTo,
    limit,
    maxBytes,
    filter,
    recordedSince,
  }: ReadTimeRangeRequest): TimeRangePage {
    const firstKept = this.#firstKept({ recordedSince });
    const memory = filter && this.#memoryOf(filter);
    const room = this.#roomFor(Math.min(limit, MOST_EVENTS_LOOKED_AT), maxBytes);
    let events: RecordedEvent[] = [];
    let looked = 0;
    let last: TimePlace | undefined;
    const reachedEnd = walkTimeRange(this.#log, from, to, after, ({ chunk, places, begin, end }) => {
      let turn = begin;
      const isWhole = chunk.firstGlobalPosition >= firstKept && chunk.lastGlobalPosition <= upTo;
      if (isWhole && (!memory || memory.admitsAll(chunk))) {
        turn = Math.min(end, begin + limit - events.length, begin + MOST_EVENTS_LOOKED_AT - looked);
        if (room)
          turn = begin + room.takesOf(turn - begin, (index) => chunk.textBytesOf(placeAt(places, begin + index)));
        const more = this.#records.ofStretch({ chunk, places, begin, end: turn });
        events = joined(events, more);
      } else {
        const most = MOST_EVENTS_LOOKED_AT - looked;
        for (; turn < end && turn - begin < most && events.length < limit; turn++) {
          const place = placeAt(places, turn);
          const globalPosition = chunk.firstGlobalPosition + place;
          const isWanted = globalPosition >= firstKept && globalPosition <= upTo;
          if (!isWanted || !(memory?.admits(chunk, place) ?? true)) continue;
          if (room && !room.takes(chunk.textBytesOf(place))) break;
          events.push(this.#records.inChunk(chunk, place));
        }
      }
      looked += turn - begin;
      if (turn > begin) {
        const place = placeAt(places, turn - 1);
        last = { timestamp: chunk.timestamps[place], globalPosition: chunk.firstGlobalPosition + place };
      }
      return turn === end;
    });
    return { events, next: reachedEnd ? undefined : last };
  }

  streamEnds(streamIds: readonly string[]): StreamEnd[] {
    return streamIds.flatMap((streamId) => {
      const revision = this.#streamOf.get(streamId)?.revision;
      return revision === undefined ? [] : { streamId, revision, lastId: this.#idIn(streamId, revision) };
    });
  }

  verify(state: LogCheckState | undefined): Promise<LogCheckPage> {
    return checkPart(
      {
        head: () => this.#log.head,
        globalPositions: (after, upTo, most) => {
          const { trimmedTo } = this.#log;
          const first = Math.max(after, trimmedTo) + 1;
          const length = Math.max(0, Math.min(most, upTo - first + 1));
          return { trimmedTo, found: Array.from({ length }, (_, index) => first + index) };
        },
        places: (after, upTo, most) => this.#places(after, upTo, most),
      },
      state,
    );
  }

  #places(after: PlaceInStream | undefined, upTo: number, most: number): PlaceInStream[] {
    const places: PlaceInStream[] = [];
    for (let number = Number(after?.stream ?? 0); number < this.#streams.length; number++) {
      const { streamId, firstPosition, revision } = this.#streams[number];
      const begin = after?.stream === number ? Math.max(after.position + 1, firstPosition) : firstPosition;
      for (let position = begin; position <= revision; position++) {
        if (places.length === most) return places;
        const globalPosition = this.#streams[number].globalPositionOf(position);
        if (globalPosition > upTo) break;
        places.push({ stream: number, streamId, position, globalPosition, trimmedTo: firstPosition - 1 });
      }
    }
    return places;
  }

  listStreams({ streamId, prefix, after, limit, recordedSince }: ListStreamsRequest): StreamInfo[] {
    const firstKept = this.#firstKept({ recordedSince });
    if (streamId !== undefined) {
      const stream = this.#streamOf.get(streamId);
      return stream && stream.revision > 0 ? [this.#infoOf(stream, firstKept)] : [];
    }
    const found: StreamInfo[] = [];
    for (const stream of this.#inOrder(prefix)) {
      if (found.length === limit) break;
      if (prefix === '' && isOwnStream(stream.streamId)) continue;
      if (!stream.streamId.startsWith(prefix) || (after !== '' && compareStreamIds(stream.streamId, after) <= 0))
        continue;
      if (this.#keptCount(stream, firstKept) > 0) found.push(this.#infoOf(stream, firstKept));
    }
    return found;
  }

  /** The streams in the order they are listed; at least those with this prefix. */
  #inOrder(prefix: string): readonly StreamLog[] {
    if (this.#sortedStreams) return this.#sortedStreams;
    const inOrder = (streams: StreamLog[]) => streams.sort((a, b) => compareStreamIds(a.streamId, b.streamId));
    // Sorting them all for the sake of a few would cost each new stream the most.
    if (prefix !== '') return inOrder(this.#streams.filter(({ streamId }) => streamId.startsWith(prefix)));
    return (this.#sortedStreams = inOrder([...this.#streams]));
  }

  trim({ recordedBefore, upTo, limit }: TrimRequest): number {
    const begin = this.#log.trimmedTo + 1;
    const end = Math.min(begin + limit, upTo + 1, this.#log.head + 1);
    let position = begin;
    for (; position < end; position++) {
      const chunk = this.#log.chunkOf(position);
      const place = position - chunk.firstGlobalPosition;
      if (chunk.recordedAt[place] >= recordedBefore) break;
      this.#dropFirst(this.#streams[chunk.streams[place]]);
    }
    if (position === begin) return 0;
    for (const chunk of this.#log.trimTo(position - 1)) this.#records.forget(chunk);
    this.#changes++;
    return position - begin;
  }

  loadCheckpoint(name: string): Checkpoint | undefined {
    return this.#checkpoints.get(name);
  }

  saveCheckpoint(name: string, checkpoint: Checkpoint, _lease?: Lease, conditions?: CheckpointConditions): void {
    this.#checkConditions(name, conditions);
    this.#checkpoints.set(name, checkpoint);
    this.#changes++;
  }

  #checkConditions(name: string, { expected, place }: CheckpointConditions = {}): void {
    if (expected !== undefined && !isEqual(this.#checkpoints.get(name), expected)) {
      throw new CheckpointChangedError(name);
    }
    if (place) this.#checkPlace(name, place);
  }

  #checkPlace(name: string, place: PlaceInLog): void {
    const { streamId, position } = place;
    const stream = streamId === null ? undefined : this.#streamOf.get(streamId);
    const head = streamId === null ? this.#log.head : (stream?.revision ?? 0);
    const trimmedTo = streamId === null ? this.#log.trimmedTo : (stream?.firstPosition ?? 1) - 1;
    if (goesOnFrom(place, { head, trimmedTo, id: this.#idIn(streamId, position) })) return;
    throw new LogForkedError(`"${name}"`, position, head);
  }

  listCheckpoints(): NamedCheckpoint[] {
    return [...this.#checkpoints].map(([name, checkpoint]) => ({ name, checkpoint }));
  }

  removeCheckpoint(name: string): void {
    if (this.#checkpoints.delete(name)) this.#changes++;
  }

  getDocuments({ collection, keys }: GetDocumentsRequest): StoredDocument[] {
    return this.#documents.get(collection, keys);
  }

  listDocuments(request: ListDocumentsRequest): StoredDocument[] {
    return this.#documents.list(request);
  }

  writeDocuments(request: WriteDocumentsRequest): void {
    const { checkpoint: kept } = request;
    if (kept) this.#checkConditions(kept.name, kept.conditions);
    this.#documents.write(request);
    if (kept) this.#checkpoints.set(kept.name, kept.checkpoint);
    this.#changes++;
  }

  dropDocuments({ collection }: { readonly collection: string }): void {
    if (this.#documents.drop(collection)) this.#changes++;
  }

  time(): LogTime {
    return { now: undefined, lastRecordedAt: this.#log.head === 0 ? undefined : this.#lastRecordedAt };
  }

  usage(retained: Retained): EngineUsage {
    const firstKept = this.#firstKept(retained);
    let bytes = this.#log.bytes + this.#cache.bytes + this.#types.bytes + this.#documents.bytes;
    for (const stream of this.#streams) bytes += stream.bytes;
    return { events: this.#log.head - firstKept + 1, streams: this.#keptStreams(firstKept), bytes };
  }

  #dropFirst(stream: StreamLog): void {
    const dropped = stream.dropFirst();
    if (dropped) this.#cache.forget(dropped);
    if (stream.count === 0 && !isOwnStream(stream.streamId)) this.#filledStreams--;
  }

  /** Watches over the size of a page; undefined when so many events will fit, whichever they are. */
  #roomFor(count: number, maxBytes: number): PageRoom | undefined {
    return count * this.#log.largestTextBytes <= maxBytes ? undefined : new PageRoom(maxBytes);
  }

  #textBytesAt(globalPosition: number): number {
    const chunk = this.#log.chunkOf(globalPosition);
    return chunk.textBytesOf(globalPosition - chunk.firstGlobalPosition);
  }

  #hasType(globalPosition: number, types: readonly Pattern[]): boolean {
    const chunk = this.#log.chunkOf(globalPosition);
    const type = this.#types.nameOf(chunk.types[globalPosition - chunk.firstGlobalPosition]);
    return types.some((pattern) => pattern.matches(type));
  }

  #memoryOf(filter: CompiledFilter): FilterMemory {
    let memory = this.#filterMemories.get(filter);
    if (!memory) {
      memory = new FilterMemory(filter, (stream) => this.#streams[stream].streamId, this.#types);
      this.#filterMemories.set(filter, memory);
    }
    return memory;
  }

  /** The id of the event at a position; undefined when there is none, or it was removed. @param streamId null for the log */
  #idIn(streamId: string | null, position: number): string | undefined {
    const stream = streamId === null ? undefined : this.#streamOf.get(streamId);
    if (streamId === null) {
      return position > this.#log.trimmedTo && position <= this.#log.head ? this.#records.idAt(position) : undefined;
    }
    if (!stream || position < stream.firstPosition || position > stream.revision) return undefined;
    return this.#records.idAt(stream.globalPositionOf(position));
  }

  /** The global position of the first event that has neither been removed nor expired. */
  #firstKept({ recordedSince }: Retained): number {
    return recordedSince === -Infinity ? this.#log.trimmedTo + 1 : this.#log.firstRecordedSince(recordedSince);
  }

  #firstKeptPosition(stream: StreamLog, recordedSince: number): number {
    return stream.firstPositionFrom(this.#firstKept({ recordedSince }));
  }

  #keptCount(stream: StreamLog, firstKept: number): number {
    return stream.revision - stream.firstPositionFrom(firstKept) + 1;
  }

  #keptStreams(firstKept: number): number {
    if (firstKept === this.#log.trimmedTo + 1) return this.#filledStreams;
    return this.#streams.filter((stream) => !isOwnStream(stream.streamId) && this.#keptCount(stream, firstKept) > 0)
      .length;
  }

  #infoOf(stream: StreamLog, firstKept: number): StreamInfo {
    const firstPosition = stream.firstPositionFrom(firstKept);
    const eventCount = stream.revision - firstPosition + 1;
    const timeOf = (position: number) => (eventCount > 0 ? this.#records.inStream(stream, position).timestamp : null);
    return {
      streamId: stream.streamId,
      eventCount,
      firstEvent: timeOf(firstPosition),
      lastEvent: timeOf(stream.revision),
      firstPosition,
      lastPosition: stream.revision,
    };
  }
}

/** Whether a checkpoint is the one that is expected; null stands for none. Both are plain JSON, made in the same way. */
function isEqual(kept: Checkpoint | undefined, expected: Checkpoint | null): boolean {
  if (kept === undefined || expected === null) return kept === undefined && expected === null;
  return kept === expected || JSON.stringify(kept) === JSON.stringify(expected);
}

/** Both arrays in one of them. Joining a thousand small ones costs no more than joining a few. */
function joined(events: RecordedEvent[], more: RecordedEvent[]): RecordedEvent[] {
  if (events.length === 0) return more;
  for (const event of more) events.push(event);
  return events;
}
