import { Observable, type Subscriber } from 'rxjs';
import { boundToCaller } from '../store/services/async-context.js';
import { END, START } from '../store/values/cursor.js';
import { EventStoreError, LogForkedError, StoreClosedError, SubscriptionEndedError } from '../store/values/errors.js';
import { EventFeed } from '../store/services/event-feed.js';
import type { RecordedEvent } from '../store/values/event.js';
import { EventLoopTurn } from '../store/ports/event-loop-turn.js';
import { isPromise, type MaybePromise } from '../store/values/maybe-promise.js';
import { goesOnFrom, type Place } from '../store/values/place.js';
import type {
  CheckedTarget,
  StorageOutage,
  SubscribeOptions,
  Subscription,
  SubscriptionFork,
  SubscriptionGap,
  SubscriptionSource,
  SubscriptionState,
} from '../store/ports/subscription.js';

import type { LogWatch } from './log-watch.js';
import { LogReader } from './log-reader.js';
import { OutagePatience } from './outage-patience.js';
import { PlaceMemory } from './place-memory.js';
import { readablePart } from './readable-part.js';
import type { Page, SharedReads } from './shared-reads.js';

/** What all subscriptions of a store have in common. */
export interface SharedBySubscriptions {
  readonly source: SubscriptionSource;
  readonly reads: SharedReads;
  /** Undefined when no hint can be lost. */
  readonly watch: LogWatch | undefined;
  /** Whether it ends with an error at an event that cannot be brought into its present shape. */
  readonly endsAtUnreadable: boolean;
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
 * - `stopped`: closed, aborted, or ended with its store or by a failing read. Nothing leaves it. A storage that is not
 *   available, or fails for a while, ends nothing: the loop waits where it is, and reads again. Damage does.
 *
 * Where the log may be put back to an earlier state under it, each page is compared with the place it is read from. When it
 * does not go on from there, the loop goes back to the newest place that it has come by and that is as it was.
 *
 * A wake-up that comes while a page is being read sets `#hasNews`, so the loop reads once more before it sleeps.
 */
export class LogSubscription implements Subscription {
  private readonly source: SubscriptionSource;
  readonly #watch: LogWatch | undefined;
  readonly #reader: LogReader;
  readonly #patience: OutagePatience;
  readonly #feed: EventFeed;
  readonly #batchSize: number;
  readonly #endsAtUnreadable: boolean;
  readonly #begin: MaybePromise<Place>;
  readonly #stopListening: () => void;
  readonly #onCaughtUp: SubscribeOptions['onCaughtUp'];
  readonly #onGap: SubscribeOptions['onGap'];
  readonly #onFork: SubscribeOptions['onFork'];
  readonly #turn = new EventLoopTurn();

  #state: SubscriptionState = 'catching-up';
  #endError: EventStoreError | undefined;
  /** How far was read, and may lie ahead of `position` by one batch. Undefined until the start was found. */
  #readTo: Place | undefined;
  /** The last event handed out; undefined when more was passed over since, up to `#passedTo`. */
  #lastEvent: RecordedEvent | undefined;
  #passedTo: Place = { position: 0 };
  /** Whether the next page is to be compared with the place it is read from. */
  #compares: boolean;
  readonly #places = new PlaceMemory();
  #gap: SubscriptionGap | undefined;
  #fork: SubscriptionFork | undefined;
  #hasNews = false;
  /** The read that is under way: where a subscription has several readers, the others wait for it. */
  #reading: Promise<unknown> | undefined;
  /** Whether the last read came to the end. */
  #isAtEnd = false;
  /** Goes on when there may be news; undefined while nobody rests. */
  #goOn: (() => void) | undefined;
  #leaveWatch: (() => void) | undefined;
  /** Who waits until the reader has come past a position. */
  #waitingToCatchUp: { to: number; resolve: () => void; reject: (error: unknown) => void }[] = [];

  /** @param onEnd called once, when the subscription stops */
  constructor(
    { source, reads, watch, endsAtUnreadable }: SharedBySubscriptions,
    private readonly target: CheckedTarget,
    after: Place | typeof START | typeof END,
    private readonly options: SubscribeOptions,
    private readonly onEnd: (ended: LogSubscription) => void,
  ) {
    this.source = source;
    this.#endsAtUnreadable = endsAtUnreadable;
    this.#watch = watch;
    this.#reader = new LogReader(reads, target);
    this.#patience = new OutagePatience(source, this.#reader.describe());
    this.#batchSize = options.batchSize ?? 512;
    this.#onCaughtUp = options.onCaughtUp && boundToCaller(options.onCaughtUp);
    this.#onGap = options.onGap && boundToCaller(options.onGap);
    this.#onFork = options.onFork && boundToCaller(options.onFork);
    this.#feed = new EventFeed({
      turn: this.#turn,
      load: () => this.#load(),
      handOut: (last, count) => this.#noteHandedOut(last, count),
      end: () => this.close(),
    });
    this.#stopListening = source.signal.listen(target.streamId, () => this.#wake());
    this.#compares = source.mayGoBack || (typeof after === 'object' && after.position > 0);
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
    return this.#lastEvent ? this.#reader.positionOf(this.#lastEvent) : this.#passedTo.position;
  }

  get place(): Place {
    const { position, id } = this.#lastEvent ? this.#placeOf(this.#lastEvent) : this.#passedTo;
    return id === undefined ? { position } : { position, id };
  }

  get gap(): SubscriptionGap | undefined {
    return this.#gap;
  }

  get fork(): SubscriptionFork | undefined {
    return this.#fork;
  }

  get outage(): StorageOutage | undefined {
    return this.#patience.outage.current;
  }

  async lag(): Promise<number> {
    if (this.#readTo === undefined) this.#beginAt(await this.#begin);
    const { head } = await this.#reader.page(Infinity, 0);
    if (head >= this.position) return head - this.position;
    // The log went back, which the loop is to find out. Until then, all of it may have to be read again.
    this.#wake();
    return head;
  }

  async caughtUp(): Promise<void> {
    if (this.#endError) throw this.#endError;
    const page = this.#reader.page(Infinity, 0);
    const { head } = isPromise(page) ? await page : page;
    if (this.#endError) throw this.#endError as EventStoreError;
    if (this.#goOn && this.position === head) return;
    // The log went back, or a hint of another process's append may have been lost.
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
    return new Observable((observer) => {
      this.#push(observer);
      return () => void this.close();
    });
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
    this.#patience.end(this.#endError);
    this.options.signal?.removeEventListener('abort', this.#abort);
    this.#feed.end();
    this.#wake();
    for (const { reject } of this.#waitingToCatchUp.splice(0)) reject(this.#endError);
    this.onEnd(this);
  }

  readonly #abort = (): void => this.stop('aborted');

  #wake(): void {
    this.#hasNews = true;
    const goOn = this.#goOn;
    if (!goOn) return;
    this.#goOn = undefined;
    this.#leaveWatch?.();
    this.#turn.begin();
    goOn();
  }

  /** The next events; sleeps until there are some. Undefined once the subscription has stopped. */
  async #load(): Promise<readonly RecordedEvent[] | undefined> {
    try {
      if (this.#readTo === undefined) this.#beginAt(await this.#begin);
      while (this.#state !== 'stopped') {
        await this.#turn.giveBack();
        if (this.#reading) {
          await this.#reading;
        } else if (this.#mayRest) {
          await new Promise<void>((resolve) => this.#rest(resolve));
        } else {
          const answer = this.#readOn();
          const events = isPromise(answer) ? await answer : answer;
          if (events.length > 0) return events;
        }
      }
      return undefined;
    } catch (error) {
      if (this.#state === 'stopped') return undefined;
      this.stop('failed', error);
      throw error;
    }
  }

  /**
   * Hands everything to an observer, until one of both ends it: the same loop as `#load`, pushing.
   *
   * What the engine answers at once is handed on without a promise, in the same turn in which an append has woken the
   * loop: with many observers, a promise for each of them would cost more than all the rest.
   */
  #push(observer: Subscriber<RecordedEvent>): void {
    const handOut = (events: readonly RecordedEvent[], from = 0): Promise<void> | undefined => {
      let index = from;
      try {
        for (; index < events.length; index++) {
          if (observer.closed || this.#state === 'stopped') return undefined;
          const turn = this.#turn.giveBack();
          if (turn) return turn.then(() => handOut(events, index));
          const event = events[index];
          this.#lastEvent = event;
          observer.next(event);
        }
        return undefined;
      } finally {
        this.source.countRead(index - from);
      }
    };
    const fail = (error: unknown): void => {
      if (this.#state === 'stopped') return observer.complete();
      this.stop('failed', error);
      observer.error(error);
    };
    const run = (): void => {
      try {
        while (!observer.closed) {
          if (this.#state === 'stopped') return observer.complete();
          if (this.#reading) return void this.#reading.then(run, fail);
          if (this.#mayRest) return this.#rest(goOn);
          const turn = this.#turn.giveBack();
          if (turn) return void turn.then(run);
          const answer = this.#readOn();
          const handingOut = isPromise(answer) ? answer.then((events) => handOut(events)) : handOut(answer);
          if (handingOut) return void handingOut.then(run, fail);
        }
      } catch (error) {
        fail(error);
      }
    };
    // Whoever appends, or ends the store, wakes it in a context of their own.
    const goOn = boundToCaller(run);
    const handingOut = handOut(this.#feed.takeBuffered());
    if (handingOut) void handingOut.then(run, fail);
    else if (this.#readTo !== undefined) run();
    else
      void Promise.resolve(this.#begin)
        .then((start) => this.#beginAt(start))
        .then(run, fail);
  }

  /** Whether the last read came to the end, and nothing came since it began. */
  get #mayRest(): boolean {
    return this.#isAtEnd && !this.#hasNews;
  }

  /** Reads the next page. No events when there is nothing new, or nothing of it is for this subscription. */
  #readOn(): MaybePromise<readonly RecordedEvent[]> {
    this.#hasNews = false;
    const page = this.#patience.ask(() => this.#nextPage());
    if (!isPromise(page)) {
      const events = this.#accept(page);
      return isPromise(events) ? this.#awaitReading(events) : events;
    }
    return this.#awaitReading(page.then((answer) => this.#accept(answer)));
  }

  #nextPage(): MaybePromise<Page> {
    const page = this.#reader.page(this.#readTo!.position, this.#batchSize, this.#compares);
    if (!this.#endsAtUnreadable) return page;
    const readable = (answer: Page): Page => readablePart(answer, (event) => this.#reader.positionOf(event));
    return isPromise(page) ? page.then(readable) : readable(page);
  }

  #awaitReading(events: Promise<readonly RecordedEvent[]>): Promise<readonly RecordedEvent[]> {
    const reading = events.finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    this.#reading = reading;
    return reading;
  }

  #accept(page: Page): MaybePromise<readonly RecordedEvent[]> {
    if (this.#state === 'stopped') return [];
    if (this.#compares) {
      if (!this.#goesOn(this.#readTo!, page)) return this.#goBack(page.head);
      this.#compares = this.source.mayGoBack;
    }
    this.#noteGap(page);
    this.#readTo = this.#endOf(page);
    if (this.source.mayGoBack) this.#remember(page, this.#readTo);
    this.#isAtEnd = page.isEnd;
    if (page.events.length === 0) {
      // The reader has taken everything before this page, and the page lets it pass.
      this.#passTo(this.#readTo);
    } else {
      if (!page.isEnd) this.#state = 'catching-up';
      this.#tellWhoCaughtUp();
    }
    return page.events;
  }

  /** Rests until there may be news. */
  #rest(goOn: () => void): void {
    this.#state = 'live';
    // The reader asks for more, so it has everything that is for it, and the rest lets it pass.
    this.#passTo(this.#readTo!);
    this.#onCaughtUp?.(this.position);
    this.#tellWhoCaughtUp();
    this.#leaveWatch?.();
    const { streamId } = this.target;
    this.#leaveWatch = this.#watch?.rest({ streamId, place: this.#readTo!, wake: () => this.#wake() });
    // Where a subscription has several readers, they rest and go on together.
    const others = this.#goOn;
    this.#goOn = others
      ? () => {
          others();
          goOn();
        }
      : goOn;
  }

  /** The reader asks for more, so it has taken everything up to `position`. */
  #tellWhoCaughtUp(): void {
    if (this.#waitingToCatchUp.length === 0) return;
    this.#waitingToCatchUp = this.#waitingToCatchUp.filter(({ to, resolve }) => {
      if (to > this.position) return true;
      resolve();
      return false;
    });
  }

  #beginAt(start: Place): void {
    if (this.#readTo === undefined) this.#passTo((this.#readTo = start));
  }

  #passTo(place: Place): void {
    this.#passedTo = place;
    this.#lastEvent = undefined;
  }

  /** Where a page ends. What was removed will not be found by looking again. */
  #endOf({ events, readTo, trimmedTo, reachedId }: Page): Place {
    if (trimmedTo > readTo) return { position: trimmedTo };
    const last = events[events.length - 1] as RecordedEvent | undefined;
    return { position: readTo, id: last && this.#reader.positionOf(last) === readTo ? last.id : reachedId };
  }

  #goesOn(from: Place, { head, trimmedTo, afterId }: Page): boolean {
    return goesOnFrom(from, { head, trimmedTo, id: afterId });
  }

  /** Everything up to the place where the page begins was handed out. */
  #remember({ events }: Page, end: Place): void {
    this.#places.addPage(events, (event) => this.#placeOf(event));
    this.#places.add(end);
  }

  /** The log does not go on from where the last page ended: finds out from where it does, and reads on from there. */
  async #goBack(head: number): Promise<readonly RecordedEvent[]> {
    const { position } = this.#readTo!;
    const common = (await this.#places.newest(Math.min(position, head), async (place) =>
      this.#goesOn(place, await this.#look(place)),
    )) ?? { position: (await this.#look({ position: 0 })).trimmedTo };
    if (this.#isStopped) return [];
    this.#places.cutAt(common.position);
    this.#fork = { position, head, goesOnAfter: common.position };
    this.#passTo((this.#readTo = common));
    this.#state = 'catching-up';
    this.#isAtEnd = false;
    // What was waited for may never come.
    for (const waiting of this.#waitingToCatchUp) waiting.to = Math.min(waiting.to, head);
    const then = `it goes on after position ${common.position}, and some events may be delivered again`;
    const error = new LogForkedError(`The subscription to ${this.#reader.describe()}`, position, head);
    this.source.noteFork(this.options.name ?? 'subscription', error, then);
    this.#onFork?.(this.#fork);
    return [];
  }

  /** What is at a place now. */
  async #look({ position }: Place): Promise<Page> {
    const ask = async (): Promise<Page> => this.#reader.page(position, 0, true);
    return this.#patience.ask(ask);
  }

  /** As it is after something was awaited. */
  get #isStopped(): boolean {
    return this.#state === 'stopped';
  }

  #placeOf(event: RecordedEvent): Place {
    return { position: this.#reader.positionOf(event), id: event.id };
  }

  #noteGap({ trimmedTo }: Page): void {
    const { position } = this.#readTo!;
    if (trimmedTo <= position) return;
    this.#gap = { after: position, trimmedTo };
    const { storeName, logger, metrics } = this.source;
    const subscription = this.#reader.describe();
    logger.warn(
      `Store "${storeName}": retention passed the subscription to ${subscription}, which had read to position ` +
        `${this.#gap.after}; it goes on after ${trimmedTo}. A longer retentionDuration or a faster reader avoids this.`,
    );
    metrics.onSubscriptionGap?.({ store: storeName, subscription: this.options.name ?? 'subscription' });
    this.#onGap?.(this.#gap);
  }

  /** The place to begin after. Events that were removed before the subscription was made are no gap. */
  #findStart(after: Place | typeof START | typeof END): MaybePromise<Place> {
    if (typeof after === 'object' && after.position > 0) return after;
    const page = this.#patience.ask(() => this.#reader.page(0, 0));
    if (!isPromise(page)) return after === END ? this.#withId(page.head) : { position: page.trimmedTo };
    if (after === END) return this.#findEnd(page).then((position) => this.#withId(position));
    return page.then(({ trimmedTo }) => ({ position: trimmedTo }));
  }

  /** The end at the time of the call: what is appended before the answer comes lies behind it. */
  async #findEnd(asked: Promise<Page>): Promise<number> {
    let end = Infinity;
    const stopWatching = this.source.signal.watch(({ streamId, firstPosition, firstGlobalPosition }) => {
      if (this.target.streamId === undefined) end = Math.min(end, firstGlobalPosition - 1);
      else if (this.target.streamId === streamId) end = Math.min(end, firstPosition - 1);
    });
    try {
      return Math.min((await asked).head, end);
    } finally {
      stopWatching();
    }
  }

  /** Until the first page comes, nothing else tells which event is there. */
  #withId(position: number): MaybePromise<Place> {
    if (!this.source.mayGoBack || position === 0) return { position };
    return this.#look({ position }).then(({ afterId: id }) => ({ position, id }));
  }

  #noteHandedOut(last: RecordedEvent, count: number): void {
    this.#lastEvent = last;
    this.source.countRead(count);
  }

  #errorFor(reason: EndReason, cause: unknown): EventStoreError {
    if (reason === 'store closed') return new StoreClosedError(this.source.storeName);
    if (cause instanceof EventStoreError) return cause;
    return new SubscriptionEndedError(this.#reader.describe(), cause ?? this.options.signal?.reason);
  }
}
