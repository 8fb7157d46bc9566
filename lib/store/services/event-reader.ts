import { performance } from 'node:perf_hooks';
import {
  codeOf,
  LogForkedError,
  OperationAbortedError,
  StreamNotFoundError,
  ValidationError,
} from '../values/errors.js';
import type { RecordedEvent } from '../values/event.js';
import { isPromise, type MaybePromise } from '../values/maybe-promise.js';
import type { MetricsCollector, ReadMeasurement } from '../ports/metrics-collector.js';
import { checkMembers } from '../values/known-members.js';
import { shown } from '../values/names.js';
import { throwIfUnreadable } from '../values/typed/upcast-failure.js';
import { goesOnFrom, type Place } from '../values/place.js';
import type { ReadAllOptions, ReadAllResult, ReadOptions, ReadTimeRangeOptions } from './read-request.js';
import type {
  LogPage,
  ReadAllRequest,
  ReadStreamRequest,
  ReadTimeRangeRequest,
  StreamPage,
  TimeRangePage,
} from '../ports/storage-engine.js';
import { MOST_BYTES_A_PAGE } from '../values/page-bytes.js';
import type { LogView, StoreLog } from './store-log.js';

const READ_OPTIONS = {
  read: ['types', 'raw', 'signal'],
  readStream: ['limit', 'direction', 'types', 'raw', 'signal'],
  readAll: ['from', 'limit', 'direction', 'filter', 'raw', 'signal'],
  readTimeRange: ['filter', 'limit', 'raw', 'signal'],
};

/** What a read asks of the log, before it is known since when events are seen. */
type StreamRequest = Omit<ReadStreamRequest, 'recordedSince'>;
type AllRequest = Omit<ReadAllRequest, 'recordedSince'>;
type TimeRangeRequest = Omit<ReadTimeRangeRequest, 'recordedSince'>;
type RangeRequest = Omit<TimeRangeRequest, 'upTo' | 'after' | 'maxBytes'>;

/**
 * Answers checked read requests: page after page until enough events were found, counted and measured.
 *
 * An answer that says whether more follow, and with a limit, ends with the first page that is full, so that it can be held
 * in memory whatever the size of its events. The others have what was asked for.
 *
 * What the engine answers at once stays without a promise, which matters when a read takes less than a microsecond.
 */
export class EventReader {
  /** How many events were handed out since the store was opened. */
  eventsRead = 0;

  constructor(
    private readonly storeName: string,
    private readonly log: StoreLog,
    private readonly metrics: MetricsCollector,
    /** Whether there may be events that cannot be brought into their present shape. */
    private readonly mayBeUnreadable: boolean,
  ) {}

  /**
   * @param request checks what was asked for, and throws when it is not acceptable
   * @param mayEndFull whether the caller learns from the page whether more follow
   * @param from the place that the reader has come to, to be compared; undefined when it is a mere number
   * @throws {LogForkedError} when the stream does not go on from there
   */
  stream(
    operation: 'read' | 'readStream',
    mayEndFull: boolean,
    options: ReadOptions,
    request: () => StreamRequest,
    from?: Place,
  ): MaybePromise<StreamPage> {
    return this.#measured(operation, options, request, (checked, view) => {
      const endsFull = mayEndFull && checked.limit !== Infinity;
      const complete = (page: StreamPage): MaybePromise<StreamPage> => {
        if (from) throwIfForked(from, page, checked.streamId);
        return this.#completeStream(page, view, checked, endsFull, options.signal);
      };
      const page = view.readStream(checked);
      return isPromise(page) ? page.then(complete) : complete(page);
    });
  }

  /** @throws {OperationAbortedError} between two pages */
  all(options: ReadAllOptions, request: () => AllRequest): MaybePromise<ReadAllResult> {
    return this.#measured('readAll', options, request, (checked, view) => {
      const page = view.readAll(checked);
      if (isPromise(page)) return page.then((answer) => this.#completeLog(answer, view, checked, options.signal));
      return this.#completeLog(page, view, checked, options.signal);
    });
  }

  /** @throws {OperationAbortedError} between two pages */
  timeRange(
    options: ReadTimeRangeOptions,
    request: () => RangeRequest,
  ): MaybePromise<{ readonly events: RecordedEvent[] }> {
    return this.#measured('readTimeRange', options, request, (checked, view) => {
      // What is appended between two pages may have happened before what was read: it does not belong to this view.
      const end = view.head();
      if (isPromise(end)) return end.then((head) => this.#rangeUpTo(head, view, checked, options.signal));
      return this.#rangeUpTo(end, view, checked, options.signal);
    });
  }

  #rangeUpTo(
    upTo: number,
    view: LogView,
    { from, to, limit, filter }: RangeRequest,
    signal: AbortSignal | undefined,
  ): MaybePromise<{ readonly events: RecordedEvent[] }> {
    throwIfAborted('readTimeRange', signal);
    const maxBytes = MOST_BYTES_A_PAGE;
    const request = { from, to, after: undefined, upTo, limit, maxBytes, filter };
    const page = view.readTimeRange(request);
    if (isPromise(page) || (page.next && page.events.length < limit)) {
      return this.#readRangeOn(page, view, request, signal);
    }
    return page;
  }

  async #readRangeOn(
    first: MaybePromise<TimeRangePage>,
    view: LogView,
    request: TimeRangeRequest,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly events: RecordedEvent[] }> {
    const { events, next } = await first;
    for (let after = next; after && events.length < request.limit;) {
      throwIfAborted('readTimeRange', signal);
      const page = await view.readTimeRange({ ...request, after, limit: request.limit - events.length });
      addTo(events, page.events);
      after = page.next;
    }
    return { events };
  }

  #completeLog(
    page: LogPage,
    view: LogView,
    request: AllRequest,
    signal: AbortSignal | undefined,
  ): MaybePromise<ReadAllResult> {
    const { events, globalPosition, head, isEnd } = page;
    if (!isComplete(page, request, request.limit !== Infinity)) return this.#readLogOn(page, view, request, signal);
    // A read that began at the end and found nothing has looked as far as the log goes.
    return { events, globalPosition: Number.isFinite(globalPosition) ? globalPosition : head, isEnd };
  }

  async #readLogOn(
    first: LogPage,
    view: LogView,
    request: AllRequest,
    signal: AbortSignal | undefined,
  ): Promise<ReadAllResult> {
    const { events } = first;
    let page = first;
    while (!isComplete({ ...page, events }, request, request.limit !== Infinity)) {
      throwIfAborted('readAll', signal);
      page = await view.readAll({
        ...request,
        after: page.globalPosition,
        limit: request.limit - events.length,
      });
      addTo(events, page.events);
    }
    return this.#completeLog({ ...page, events }, view, request, signal);
  }

  #completeStream(
    page: StreamPage,
    view: LogView,
    request: StreamRequest,
    endsFull: boolean,
    signal: AbortSignal | undefined,
  ): MaybePromise<StreamPage> {
    if (page.revision === 0) throw new StreamNotFoundError(request.streamId);
    return isComplete(page, request, endsFull) ? page : this.#readOn(page, view, request, endsFull, signal);
  }

  async #readOn(
    first: StreamPage,
    view: LogView,
    request: StreamRequest,
    endsFull: boolean,
    signal: AbortSignal | undefined,
  ): Promise<StreamPage> {
    const { events } = first;
    let page = first;
    while (!isComplete({ ...page, events }, request, endsFull)) {
      throwIfAborted('readStream', signal);
      page = await view.readStream({
        ...request,
        after: page.position,
        limit: request.limit - events.length,
        wantsIds: false,
      });
      addTo(events, page.events);
    }
    return { ...page, events };
  }

  /** Runs a read once the store is open, counts its events and tells the metrics collector how it went. */
  #measured<Request, Page extends { readonly events: readonly RecordedEvent[] }>(
    operation: ReadMeasurement['operation'],
    options: { readonly raw?: boolean; readonly signal?: AbortSignal },
    request: () => Request,
    read: (checked: Request, view: LogView) => MaybePromise<Page>,
  ): MaybePromise<Page> {
    const startedAt = this.metrics.onRead ? performance.now() : 0;
    try {
      checkMembers(options, 'options', READ_OPTIONS[operation]);
      const checked = request();
      throwIfAborted(operation, options.signal);
      const raw = checkedRaw(options.raw);
      const answer = this.log.ask((view) => read(checked, view), raw);
      if (!isPromise(answer)) return this.#finish(operation, startedAt, answer);
      return answer
        .then((page) => {
          throwIfAborted(operation, options.signal);
          return this.#finish(operation, startedAt, page);
        })
        .catch((error: unknown) => this.#fail(operation, startedAt, error));
    } catch (error) {
      return this.#fail(operation, startedAt, error);
    }
  }

  #finish<Page extends { readonly events: readonly RecordedEvent[] }>(
    operation: ReadMeasurement['operation'],
    startedAt: number,
    page: Page,
  ): Page {
    if (this.mayBeUnreadable) throwIfUnreadable(page.events);
    this.eventsRead += page.events.length;
    this.metrics.onRead?.({
      store: this.storeName,
      operation,
      outcome: 'ok',
      events: page.events.length,
      durationMs: performance.now() - startedAt,
    });
    return page;
  }

  #fail(operation: ReadMeasurement['operation'], startedAt: number, error: unknown): never {
    this.metrics.onRead?.({
      store: this.storeName,
      operation,
      outcome: codeOf(error),
      events: 0,
      durationMs: performance.now() - startedAt,
    });
    throw error;
  }
}

/** @param endsFull whether a full page is enough */
function isComplete(
  { events, isEnd, isFull }: StreamPage | LogPage,
  { limit }: { readonly limit: number },
  endsFull: boolean,
): boolean {
  return isEnd || events.length >= limit || (endsFull && isFull);
}

/** Not `push(...more)`: the arguments of a call lie on the stack, which a hundred thousand events overflow. */
function addTo(events: RecordedEvent[], more: readonly RecordedEvent[]): void {
  for (const event of more) events.push(event);
}

function throwIfForked(from: Place, { revision, trimmedTo, afterId }: StreamPage, streamId: string): void {
  // Of a stream that never was, only a read can have given a place with a mark.
  if (revision === 0 && from.mark === undefined) return;
  if (goesOnFrom(from, { head: revision, trimmedTo, id: afterId })) return;
  throw new LogForkedError(`The reader of stream "${streamId}"`, from.position, revision);
}

function checkedRaw(raw: unknown): boolean {
  if (raw === undefined || typeof raw === 'boolean') return raw ?? false;
  throw new ValidationError('raw', `${shown(raw)} is neither true nor false.`);
}

function throwIfAborted(operation: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new OperationAbortedError(operation, signal.reason);
}
