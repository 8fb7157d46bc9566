import { defer, type Observable } from 'rxjs';
import { boundToCaller } from './async-context.js';
import type { Clock } from '../values/clock.js';
import { EventsExpiredError, OperationAbortedError } from '../values/errors.js';
import { upcastFailureOf } from '../values/typed/upcast-failure.js';
import { EventFeed } from './event-feed.js';
import type { EventFilter } from '../values/event-filter.js';
import type { RecordedEvent } from '../values/event.js';
import { EventLoopTurn } from '../ports/event-loop-turn.js';
import type { MaybePromise } from '../values/maybe-promise.js';
import type { TimePlace, TimeRangePage } from '../ports/storage-engine.js';
import type { StoreGate } from './store-gate.js';

export interface ReplayOptions {
  readonly filter?: EventFilter;
  /** 1 keeps the pauses there were between the events, 60 is sixty times faster. Default: as fast as the reader. */
  readonly speed?: number;
  /** How many events are read at a time; 1 to 10 000, default 512. */
  readonly batchSize?: number;
  /** Told whenever the reader has taken a whole batch and asks for more. */
  readonly onProgress?: (progress: ReplayProgress) => void;
  /** Ends the replay with an `OperationAbortedError`. */
  readonly signal?: AbortSignal;
}

export interface ReplayProgress {
  /** How many events were handed out so far. */
  readonly events: number;
  /** When the last of them happened. */
  readonly timestamp: Date;
}

/** One loop over a replay. */
interface Run {
  /** How far was read; undefined at the beginning. */
  place: TimePlace | undefined;
  /** An event that was to come and is gone. */
  removed: RecordedEvent | undefined;
}

/** What a replay needs of its store. */
export interface ReplaySource {
  readonly clock: Clock;
  readonly gate: StoreGate;
  page(after: TimePlace | undefined, limit: number): MaybePromise<TimeRangePage>;
  /** Whether an event is one of those to be replayed. */
  covers(event: RecordedEvent): boolean;
  countRead(events: number): void;
}

/**
 * The events of a time range once more, in the order they happened, ties by global position.
 *
 * Lazy: it holds one batch, however long the range is, and reads when it is asked. It covers what was kept when `replay`
 * was called; when retention removes some of that before it was read, the loop fails instead of going on without. Each
 * loop over it begins anew.
 */
export class Replay implements AsyncIterable<RecordedEvent> {
  readonly #source: ReplaySource;
  readonly #options: ReplayOptions & { readonly batchSize: number };
  /** The loops over it that have not come to their end. */
  readonly #runs = new Set<Run>();
  /** An event that retention took away after the replay was made. */
  #removed: RecordedEvent | undefined;

  /** @internal Ask `EventStore.replay` for one. */
  constructor(source: ReplaySource, options: ReplayOptions & { readonly batchSize: number }) {
    this.#source = source;
    const { onProgress } = options;
    this.#options = { ...options, onProgress: onProgress && boundToCaller(onProgress) };
  }

  /** @internal Told by retention. */
  noteRemoved(events: readonly RecordedEvent[]): void {
    for (const event of events) {
      if (!this.#source.covers(event)) continue;
      this.#removed ??= event;
      for (const run of this.#runs) if (!run.place || isAfter(event, run.place)) run.removed ??= event;
    }
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<RecordedEvent> {
    return this.#start().events();
  }

  /** The events in arrays of one to `batchSize`. With a `speed`, those of one moment come together. */
  batches(): AsyncIterableIterator<readonly RecordedEvent[]> {
    return this.#start().batches();
  }

  /** The events as an RxJS Observable, which completes after the last; unsubscribing ends the replay. */
  asObservable(): Observable<RecordedEvent> {
    return defer(() => this.#start().observable());
  }

  #start(): EventFeed {
    const stopped = new AbortController();
    const turn = new EventLoopTurn();
    const batches = this.#read(stopped.signal, turn);
    return new EventFeed({
      turn,
      load: async () => (await batches.next()).value,
      handOut: (_, count) => this.#source.countRead(count),
      check: () => this.#throwIfEnded(),
      end: () => stopped.abort(),
    });
  }

  async *#read(stopped: AbortSignal, turn: EventLoopTurn): AsyncGenerator<readonly RecordedEvent[], undefined> {
    const { batchSize, onProgress } = this.#options;
    const run: Run = { place: undefined, removed: this.#removed };
    this.#runs.add(run);
    try {
      let events = 0;
      let last: RecordedEvent | undefined;
      for (let isEnd = false; !isEnd && !stopped.aborted;) {
        await turn.giveBack();
        this.#throwIfEnded();
        const page = await this.#source.page(run.place, batchSize);
        if (run.removed) throw new EventsExpiredError(run.removed.globalPosition);
        run.place = page.next;
        isEnd = page.next === undefined;
        if (isEnd) this.#runs.delete(run);
        const { readable, failure } = readableOf(page.events);
        for (const batch of this.#paced(readable)) {
          await this.#pauseBetween(last, batch[0], stopped);
          if (stopped.aborted) return;
          this.#throwIfEnded();
          yield batch;
          events += batch.length;
          last = batch[batch.length - 1]!;
          onProgress?.({ events, timestamp: last.timestamp });
        }
        if (failure) throw failure;
      }
    } finally {
      this.#runs.delete(run);
    }
  }

  /** What may be handed out together: everything, or with a speed, what happened at the same moment. */
  #paced(events: readonly RecordedEvent[]): readonly (readonly RecordedEvent[])[] {
    if (events.length === 0) return [];
    return this.#options.speed === undefined ? [events] : byMoment(events);
  }

  /** Waits as long as there was between two events, divided by the speed; less when the reader or the signal ends it. */
  async #pauseBetween(last: RecordedEvent | undefined, next: RecordedEvent, stopped: AbortSignal): Promise<void> {
    const { speed, signal } = this.#options;
    if (speed === undefined || last === undefined) return;
    const pauseMs = (next.timestamp.getTime() - last.timestamp.getTime()) / speed;
    if (pauseMs <= 0) return;
    const ends = [stopped, this.#source.gate.closing, ...(signal ? [signal] : [])];
    if (ends.some((end) => end.aborted)) return;
    await new Promise<void>((resolve) => {
      const goOn = (): void => {
        cancelTimer();
        for (const end of ends) end.removeEventListener('abort', goOn);
        resolve();
      };
      const cancelTimer = this.#source.clock.setTimer(goOn, pauseMs);
      for (const end of ends) end.addEventListener('abort', goOn);
    });
  }

  #throwIfEnded(): void {
    const { signal } = this.#options;
    this.#source.gate.throwIfClosed();
    if (signal?.aborted) throw new OperationAbortedError('replay', signal.reason);
  }
}

/** The events up to the first that cannot be brought into its present shape, and why it cannot. */
function readableOf(events: readonly RecordedEvent[]) {
  const first = events.findIndex((event) => upcastFailureOf(event) !== undefined);
  if (first < 0) return { readable: events, failure: undefined };
  return { readable: events.slice(0, first), failure: upcastFailureOf(events[first]) };
}

function isAfter({ timestamp, globalPosition }: RecordedEvent, place: TimePlace): boolean {
  return (
    timestamp.getTime() > place.timestamp ||
    (timestamp.getTime() === place.timestamp && globalPosition > place.globalPosition)
  );
}

function byMoment(events: readonly RecordedEvent[]): RecordedEvent[][] {
  const moments: RecordedEvent[][] = [];
  for (const event of events) {
    const moment = moments.at(-1);
    if (moment?.[0]!.timestamp.getTime() === event.timestamp.getTime()) moment.push(event);
    else moments.push([event]);
  }
  return moments;
}
