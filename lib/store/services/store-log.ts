import type {
  AppendAnswer,
  AppendRequest,
  EngineUsage,
  ListStreamsRequest,
  LogPage,
  ReadAllRequest,
  ReadStreamRequest,
  ReadTimeRangeRequest,
  Retained,
  StorageEngine,
  StreamPage,
  TimeRangePage,
} from '../ports/storage-engine.js';
import { isPromise, type MaybePromise } from '../values/maybe-promise.js';
import { MOST_BYTES_A_PAGE } from '../values/page-bytes.js';
import type { SeenAtPlace } from '../values/place.js';
import type { StreamInfo } from '../values/stream-info.js';
import type { CompiledFilter, Pattern } from '../values/event-filter.js';
import type { RecordedEvent } from '../values/event.js';
import type { EventShaper } from './event-shaper.js';
import type { Retention } from './retention.js';
import type { StoreGate } from './store-gate.js';

/**
 * A request as callers make it, for one call: since when events are seen is added here, so that nobody can forget it. Added to
 * the object itself, as a copy of it takes longer than reading a hundred events from memory.
 */
type Unbounded<Request extends Retained> = Omit<Request, 'recordedSince'>;

/**
 * The log as it is seen from one moment: what had expired then is hidden, and what expires later still belongs to it, so
 * that the pages of one read fit together.
 */
export class LogView {
  constructor(
    private readonly engine: StorageEngine,
    private readonly recordedSince: number,
  ) {}

  readStream(request: Unbounded<ReadStreamRequest>): MaybePromise<StreamPage> {
    return this.engine.readStream(this.#bounded(request));
  }

  readAll(request: Unbounded<ReadAllRequest>): MaybePromise<LogPage> {
    return this.engine.readAll(this.#bounded(request));
  }

  readTimeRange(request: Unbounded<ReadTimeRangeRequest>): MaybePromise<TimeRangePage> {
    return this.engine.readTimeRange(this.#bounded(request));
  }

  listStreams(request: Unbounded<ListStreamsRequest>): MaybePromise<readonly StreamInfo[]> {
    return this.engine.listStreams(this.#bounded(request));
  }

  usage(): MaybePromise<EngineUsage> {
    return this.engine.usage({ recordedSince: this.recordedSince });
  }

  append(request: Unbounded<AppendRequest>): MaybePromise<AppendAnswer> {
    return this.engine.append(this.#bounded(request));
  }

  /** The global position of the last event there is; 0 for an empty log. */
  head(): MaybePromise<number> {
    const maxBytes = MOST_BYTES_A_PAGE;
    const page = this.readAll({ after: 0, limit: 0, maxBytes, direction: 'forward', filter: undefined });
    return isPromise(page) ? page.then(({ head }) => head) : page.head;
  }

  #bounded<Request>(request: Request): Request & Retained {
    const bounded = request as Request & { recordedSince: number };
    bounded.recordedSince = this.recordedSince;
    return bounded;
  }
}

/** The same, with events in the shape that the store knows now; filters mean that, too. */
class ShapedLogView extends LogView {
  constructor(
    engine: StorageEngine,
    recordedSince: number,
    private readonly shaper: EventShaper,
  ) {
    super(engine, recordedSince);
  }

  override readStream(request: Unbounded<ReadStreamRequest>): MaybePromise<StreamPage> {
    const { types } = request;
    const wider = types ? { ...request, types: this.shaper.withFormerNames(types) } : request;
    return this.#shaped(super.readStream(wider), types);
  }

  override readAll(request: Unbounded<ReadAllRequest>): MaybePromise<LogPage> {
    return this.#shaped(super.readAll(this.#wider(request)), request.filter?.types);
  }

  override readTimeRange(request: Unbounded<ReadTimeRangeRequest>): MaybePromise<TimeRangePage> {
    return this.#shaped(super.readTimeRange(this.#wider(request)), request.filter?.types);
  }

  #wider<Request extends { readonly filter: CompiledFilter | undefined }>(request: Request): Request {
    const { filter } = request;
    return filter?.types ? { ...request, filter: this.shaper.filterWithFormerNames(filter) } : request;
  }

  #shaped<Page extends { readonly events: RecordedEvent[] }>(
    page: MaybePromise<Page>,
    types: readonly Pattern[] | undefined,
  ): MaybePromise<Page> {
    if (isPromise(page)) return page.then((answer) => this.#shaped(answer, types));
    this.shaper.shapePage(page.events, types);
    return page;
  }
}

/** The engine behind the gate and behind retention: the one way to what is kept. */
export class StoreLog {
  constructor(
    private readonly engine: StorageEngine,
    private readonly gate: StoreGate,
    private readonly retention: Retention,
    private readonly shaper: EventShaper | undefined,
  ) {}

  /**
   * How the log is seen now. What is asked of a view goes past the gate.
   *
   * @param raw whether events are to be as they were written
   */
  view(raw = false): LogView {
    const since = this.retention.seenSince();
    return this.shaper && !raw ? new ShapedLogView(this.engine, since, this.shaper) : new LogView(this.engine, since);
  }

  /**
   * Asks something of the log once the store is open; `close` waits for the answer. What is answered at once stays without a
   * promise.
   *
   * @param raw whether events are to be as they were written
   * @throws {StoreClosedError}
   */
  ask<T>(question: (view: LogView) => MaybePromise<T>, raw = false): MaybePromise<T> {
    return this.gate.call(() => question(this.view(raw)));
  }

  /** What is at a position of a stream, or of the log (null), now. */
  async look(streamId: string | null, position: number): Promise<SeenAtPlace> {
    const request = { after: position, limit: 0, maxBytes: Infinity, direction: 'forward', wantsIds: true } as const;
    return this.ask(async (view) => {
      if (streamId === null) {
        const page = await view.readAll({ ...request, filter: undefined });
        return { head: page.head, trimmedTo: page.trimmedTo, id: page.afterId };
      }
      const page = await view.readStream({ ...request, streamId, types: undefined });
      return { head: page.revision, trimmedTo: page.trimmedTo, id: page.afterId };
    });
  }
}
