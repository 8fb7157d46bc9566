import { Observable } from 'rxjs';
import type { RecordedEvent } from '../values/event.js';
import type { EventLoopTurn } from '../ports/event-loop-turn.js';

/** Where a feed gets its events from. */
export interface FeedSource {
  /** Asked before each event: what is loaded already would else be handed out without a turn of the event loop. */
  readonly turn: EventLoopTurn;
  /** The next events, at least one; undefined at the end. Called again only after it was answered. */
  load(): Promise<readonly RecordedEvent[] | undefined>;
  /** Told when events reach the reader. */
  handOut(last: RecordedEvent, count: number): void;
  /** Throws when nothing more may be handed out, although there is something. */
  check?(): void;
  /** The reader wants no more. */
  end(): void | Promise<void>;
}

const DONE: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined });

/**
 * One sequence of events behind three faces: single events, arrays, an Observable. They share one buffer, so whichever is
 * asked, no event is skipped or handed out twice.
 *
 * The iterators are written by hand: an async generator takes half as long again for each event.
 */
export class EventFeed {
  #batch: readonly RecordedEvent[] = [];
  #next = 0;
  #hasEnded = false;
  /** The latest of the calls that wait for `load`, which must not run twice at a time. */
  #lastInLine: Promise<unknown> | undefined;

  constructor(private readonly source: FeedSource) {}

  /** How many events were loaded and not handed out yet. */
  get #buffered(): number {
    return this.#batch.length - this.#next;
  }

  events(): AsyncIterableIterator<RecordedEvent> {
    return this.#iterator(() => this.#takeEvent());
  }

  batches(): AsyncIterableIterator<readonly RecordedEvent[]> {
    return this.#iterator(() => this.#takeBatch());
  }

  observable(): Observable<RecordedEvent> {
    return new Observable((subscriber) => {
      const loads = this.#iterator(() => (this.#buffered > 0 ? true : undefined));
      const pump = async (): Promise<void> => {
        while (!(await loads.next()).done) {
          // An observer may unsubscribe, close or abort while it is told of an event; then nothing is left to take.
          while (!subscriber.closed && this.#mayGoOn()) {
            const turn = this.source.turn.giveBack();
            if (turn) {
              await turn;
              continue;
            }
            const event = this.#takeEvent();
            if (event === undefined) break;
            subscriber.next(event);
          }
        }
        subscriber.complete();
      };
      pump().catch((error: unknown) => subscriber.error(error));
      return () => void loads.return?.();
    });
  }

  #takeEvent(): RecordedEvent | undefined {
    if (this.#next === this.#batch.length) return undefined;
    const event = this.#batch[this.#next++];
    this.source.handOut(event, 1);
    return event;
  }

  #takeBatch(): readonly RecordedEvent[] | undefined {
    if (this.#next === this.#batch.length) return undefined;
    // A copy: subscriptions at one place share what they read, and an array can be changed.
    const batch = this.#batch.slice(this.#next);
    this.#next = this.#batch.length;
    this.source.handOut(batch[batch.length - 1], batch.length);
    return batch;
  }

  #iterator<T>(take: () => T | undefined): AsyncIterableIterator<T> {
    const iterator: AsyncIterableIterator<T> = {
      next: () => {
        if (this.#hasEnded) return Promise.resolve(DONE);
        let before = this.#lastInLine;
        if (before === undefined && this.#buffered > 0 && this.#mayGoOn()) {
          before = this.source.turn.giveBack();
          const value = before ? undefined : take();
          if (value !== undefined) return Promise.resolve({ done: false, value });
        }
        const answer = this.#takeAfter(before, take);
        this.#lastInLine = answer;
        const leaveLine = (): void => {
          if (this.#lastInLine === answer) this.#lastInLine = undefined;
        };
        answer.then(leaveLine, leaveLine);
        return answer;
      },
      return: async () => {
        this.end();
        await this.source.end();
        return DONE;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #mayGoOn(): boolean {
    try {
      this.source.check?.();
      return true;
    } catch {
      // The slower way reports it.
      return false;
    }
  }

  async #takeAfter<T>(before: Promise<unknown> | undefined, take: () => T | undefined): Promise<IteratorResult<T>> {
    // A failure before this call was already reported to the call that met it.
    if (before) await before.catch(() => undefined);
    for (;;) {
      if (this.#hasEnded) return DONE;
      try {
        this.source.check?.();
        const value = take();
        if (value !== undefined) return { done: false, value };
        const batch = await this.source.load();
        if (batch === undefined) this.end();
        else if (!this.#hasEnded) this.#fill(batch);
      } catch (error) {
        this.end();
        throw error;
      }
    }
  }

  #fill(batch: readonly RecordedEvent[]): void {
    this.#batch = batch;
    this.#next = 0;
  }

  /** What was loaded and not handed out yet; it counts as handed out. */
  takeBuffered(): readonly RecordedEvent[] {
    const events = this.#batch.slice(this.#next);
    this.#fill([]);
    return events;
  }

  /** Ends the sequence now; what is buffered is dropped. */
  end(): void {
    this.#hasEnded = true;
    this.#fill([]);
  }
}
