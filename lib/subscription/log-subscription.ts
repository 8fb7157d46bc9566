import type { Observable } from 'rxjs';
import type { AppendedAt } from '../store/append-signal.js';
import { END, START } from '../store/cursor.js';
import { EventStoreError, StoreClosedError, SubscriptionEndedError } from '../store/errors.js';
import { EventFeed } from '../store/event-feed.js';
import type { RecordedEvent } from '../store/event.js';
import { EventLoopTurn } from '../store/event-loop-turn.js';
import { isPromise, type MaybePromise } from '../store/maybe-promise.js';
import type { LogPage, StreamPage } from '../store/storage-engine.js';
import type {
  CheckedTarget,
  SubscribeOptions,
  Subscription,
  SubscriptionGap,
  SubscriptionSource,
  SubscriptionState,
} from '../store/subscription.js';

/** A page of the stream or of the log, whichever the subscription reads. */
interface Page {
  readonly events: readonly RecordedEvent[];
  /** How far was looked: where the next page begins. */
  readonly readTo: number;
  readonly head: number;
  readonly trimmedTo: number;
  readonly isEnd: boolean;
}

/** Why a subscription ended. */
export type EndReason = 'closed' | 'aborted' | 'store closed' | 'failed';

/**
 * One pull loop over the log: history and live events come the same way, so there is no seam between them.
 *
 * - `catching-up`: the last read did not come to the end of the log, or there was none yet. Left for `live` by a read that
 *   finds nothing more.
 * - `live`: the last read came to the end, and everything before it was handed out. The loop sleeps until a wake-up, which
 *   is a hint: it reads on from its place and finds out. Left for `catching-up` by a read that leaves events behind it.
 * - `stopped`: closed, aborted, or ended with its store or by a failing read. Nothing leaves it.
 *
 * A wake-up that comes while a page is being read sets `#hasNews`, so the loop reads once more before it sleeps.
 */
export class LogSubscription implements Subscription {
  readonly #feed: EventFeed;
  readonly #batchSize: number;
  readonly #begin: MaybePromise<number>;
  readonly #stopListening: () => void;
  readonly #turn = new EventLoopTurn();

  #state: SubscriptionState = 'catching-up';
  #endError: EventStoreError | undefined;
  /** How far was read, and may lie ahead of `#position` by one batch. Undefined until the start was found. */
  #readTo: number | undefined;
  #position = 0;
  #gap: SubscriptionGap | undefined;
  #hasNews = false;
  /** Ends the loop's sleep; undefined while it is awake. */
  #wakeUp: (() => void) | undefined;
  /** Who waits until the reader has come past a position. */
  #waitingToCatchUp: { to: number; resolve: () => void; reject: (error: unknown) => void }[] = [];
  /** The lowest position appended while the end was being looked for: the end lies before it. */
  #appendedFrom = Infinity;

  /** @param onEnd called once, when the subscription stops */
  constructor(
    private readonly source: SubscriptionSource,
    private readonly target: CheckedTarget,
    after: number | typeof START | typeof END,
    private readonly options: SubscribeOptions,
    private readonly onEnd: (ended: LogSubscription) => void,
  ) {
    this.#batchSize = options.batchSize ?? 512;
    this.#feed = new EventFeed({
      load: () => this.#load(),
      handOut: (last, count) => {
        this.#position = this.#placeOf(last);
        source.countRead(count);
      },
      end: () => this.close(),
    });
    this.#stopListening = source.signal.listen(target.streamId, {
      wake: () => this.#wake(),
      appended: (place) => this.#noteAppended(place),
    });
    this.#begin = this.#findStart(after);
    if (isPromise(this.#begin)) this.#begin.then((start) => this.#beginAt(start)).catch(() => undefined);
    else this.#beginAt(this.#begin);
    if (options.signal?.aborted) this.stop('aborted');
    else options.signal?.addEventListener('abort', this.#abort);
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  get position(): number {
    return this.#position;
  }

  get gap(): SubscriptionGap | undefined {
    return this.#gap;
  }

  async lag(): Promise<number> {
    if (this.#readTo === undefined) this.#beginAt(await this.#begin);
    const { head } = await this.#readPage(Infinity, 0);
    return Math.max(0, head - this.#position);
  }

  async caughtUp(): Promise<void> {
    if (this.#endError) throw this.#endError;
    const page = this.#readPage(Infinity, 0);
    const { head } = isPromise(page) ? await page : page;
    if (this.#endError) throw this.#endError as EventStoreError;
    if (this.#wakeUp && this.#position >= head) return;
    // A hint of another process's append may have been lost.
    this.#wake();
    await new Promise<void>((resolve, reject) => this.#waitingToCatchUp.push({ to: head, resolve, reject }));
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<RecordedEvent> {
    return this.#feed.events();
  }

  batches(): AsyncIterableIterator<readonly RecordedEvent[]> {
    return this.#feed.batches();
  }

  asObservable(): Observable<RecordedEvent> {
    return this.#feed.observable();
  }

  close(): Promise<void> {
    this.stop('closed');
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends the subscription now. Only the first call counts. @param cause what it failed with */
  stop(reason: EndReason, cause?: unknown): void {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#endError = this.#errorFor(reason, cause);
    this.#stopListening();
    this.options.signal?.removeEventListener('abort', this.#abort);
    this.#feed.end();
    this.#wake();
    for (const { reject } of this.#waitingToCatchUp.splice(0)) reject(this.#endError);
    this.onEnd(this);
  }

  readonly #abort = (): void => this.stop('aborted');

  #wake(): void {
    this.#hasNews = true;
    const wakeUp = this.#wakeUp;
    this.#wakeUp = undefined;
    wakeUp?.();
  }

  /** The next events; sleeps until there are some. Undefined once the subscription has stopped. */
  async #load(): Promise<readonly RecordedEvent[] | undefined> {
    try {
      if (this.#readTo === undefined) this.#beginAt(await this.#begin);
      while (this.#state !== 'stopped') {
        await this.#turn.giveBack();
        this.#hasNews = false;
        const answer = this.#readPage(this.#readTo!, this.#batchSize);
        const page = isPromise(answer) ? await answer : answer;
        if ((this.#state as SubscriptionState) === 'stopped') return undefined;
        this.#noteGap(page);
        // What was removed will not be found by looking again.
        this.#readTo = Math.max(page.readTo, page.trimmedTo);
        if (page.events.length > 0) {
          if (!page.isEnd) this.#state = 'catching-up';
          this.#tellWhoCaughtUp();
          return page.events;
        }
        // The reader has taken everything before this page, and the page lets it pass.
        this.#position = this.#readTo;
        if (page.isEnd && !this.#hasNews) await this.#sleep();
      }
      return undefined;
    } catch (error) {
      if (this.#state === 'stopped') return undefined;
      this.stop('failed', error);
      throw error;
    }
  }

  async #sleep(): Promise<void> {
    this.#state = 'live';
    this.options.onCaughtUp?.(this.#position);
    this.#tellWhoCaughtUp();
    const { clock, pollIntervalMs } = this.source;
    const cancelPoll =
      pollIntervalMs === undefined
        ? undefined
        : clock.setTimer(() => this.#wake(), pollIntervalMs, { background: true });
    await new Promise<void>((resolve) => (this.#wakeUp = resolve));
    cancelPoll?.();
    this.#turn.begin();
  }

  /** The reader asks for more, so it has taken everything up to `#position`. */
  #tellWhoCaughtUp(): void {
    this.#waitingToCatchUp = this.#waitingToCatchUp.filter(({ to, resolve }) => {
      if (to > this.#position) return true;
      resolve();
      return false;
    });
  }

  #beginAt(start: number): void {
    this.#readTo ??= this.#position = start;
  }

  #noteAppended({ firstPosition, firstGlobalPosition }: AppendedAt): void {
    if (this.#readTo !== undefined) return;
    const first = this.target.streamId === undefined ? firstGlobalPosition : firstPosition;
    this.#appendedFrom = Math.min(this.#appendedFrom, first);
  }

  #noteGap({ trimmedTo }: Page): void {
    if (trimmedTo <= this.#readTo!) return;
    this.#gap = { after: this.#readTo!, trimmedTo };
    const { storeName, logger, metrics } = this.source;
    const subscription = this.#describe();
    logger.warn(
      `Store "${storeName}": retention passed the subscription to ${subscription}, which had read to position ` +
        `${this.#gap.after}; it goes on after ${trimmedTo}. A longer retentionDuration or a faster reader avoids this.`,
    );
    metrics.onSubscriptionGap?.({ store: storeName, subscription });
    this.options.onGap?.(this.#gap);
  }

  #describe(): string {
    if (this.target.streamId !== undefined) return `stream "${this.target.streamId}"`;
    const { streams } = this.target.filter;
    return streams ? `streams "${streams.source}"` : 'all streams';
  }

  /** The position to begin after. Events that were removed before the subscription was made are no gap. */
  #findStart(after: number | typeof START | typeof END): MaybePromise<number> {
    if (typeof after === 'number' && after > 0) return after;
    const start = ({ head, trimmedTo }: Page): number =>
      after === END ? Math.min(head, this.#appendedFrom - 1) : trimmedTo;
    try {
      const page = this.#readPage(0, 0);
      return isPromise(page) ? page.then(start) : start(page);
    } catch (error) {
      return failLater(error);
    }
  }

  #readPage(after: number, limit: number): MaybePromise<Page> {
    if (this.target.streamId === undefined) {
      const page = this.source.readAll(after, limit, this.target.filter);
      return isPromise(page) ? page.then(logPage) : logPage(page);
    }
    const page = this.source.readStream(this.target.streamId, after, limit, this.target.types);
    return isPromise(page) ? page.then(streamPage) : streamPage(page);
  }

  #placeOf(event: RecordedEvent): number {
    return this.target.streamId === undefined ? event.globalPosition : event.position;
  }

  #errorFor(reason: EndReason, cause: unknown): EventStoreError {
    if (reason === 'store closed') return new StoreClosedError(this.source.storeName);
    if (cause instanceof EventStoreError) return cause;
    return new SubscriptionEndedError(this.#describe(), cause ?? this.options.signal?.reason);
  }
}

function logPage({ events, globalPosition, head, trimmedTo, isEnd }: LogPage): Page {
  return { events, readTo: globalPosition, head, trimmedTo, isEnd };
}

function streamPage({ events, position, revision, trimmedTo, isEnd }: StreamPage): Page {
  return { events, readTo: position, head: revision, trimmedTo, isEnd };
}

/** The reader gets an error that is thrown at once as it gets the failure of a promise. */
async function failLater(error: unknown): Promise<never> {
  throw error;
}
