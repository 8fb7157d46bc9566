import type { CompiledFilter, Pattern } from '../store/values/event-filter.js';
import { isPromise, type MaybePromise } from '../store/values/maybe-promise.js';
import type { LogPage, StreamPage } from '../store/ports/storage-engine.js';
import type { CheckedTarget, SubscriptionSource } from '../store/ports/subscription.js';
import type { RecordedEvent } from '../store/values/event.js';

/** A page of a stream or of the log, whichever is read. */
export interface Page {
  readonly events: readonly RecordedEvent[];
  /** How far was looked: where the next page begins. */
  readonly readTo: number;
  readonly head: number;
  readonly trimmedTo: number;
  readonly isEnd: boolean;
  /** Which events lie where the page begins and ends, when that was asked for. */
  readonly afterId?: string;
  readonly reachedId?: string;
}

/** More kinds of targets than this rarely stand at the same place. */
const MOST_QUESTIONS_KEPT = 16;

interface Question {
  readonly target: CheckedTarget;
  readonly after: number;
  readonly limit: number;
  readonly wantsIds: boolean;
  readonly page: MaybePromise<Page>;
}

/**
 * Reads for all subscriptions of a store, which share what they read: those that an append has woken stand at the same
 * place of the same stream, or of the log, and ask the same question one after the other.
 *
 * The last questions are kept until the microtask that is running has ended, in which nothing can have been appended; an
 * answer may still be under way.
 */
export class SharedReads {
  #asked: Question[] = [];

  constructor(private readonly source: SubscriptionSource) {}

  /** @param after exclusive: a position in the target's stream, or in the log when the target is not one stream */
  page(target: CheckedTarget, after: number, limit: number, wantsIds = false): MaybePromise<Page> {
    for (const asked of this.#asked) {
      if (
        asked.after === after &&
        asked.limit === limit &&
        asked.wantsIds === wantsIds &&
        isSameTarget(asked.target, target)
      ) {
        return asked.page;
      }
    }
    const page = this.#read(target, after, limit, wantsIds);
    if (limit > 0) {
      if (this.#asked.length === 0) queueMicrotask(this.#forget);
      else if (this.#asked.length === MOST_QUESTIONS_KEPT) this.#asked.shift();
      this.#asked.push({ target, after, limit, wantsIds, page });
    }
    return page;
  }

  #read(target: CheckedTarget, after: number, limit: number, wantsIds: boolean): MaybePromise<Page> {
    if (target.streamId === undefined) {
      const page = this.source.readAll(after, limit, target.filter, wantsIds);
      return isPromise(page) ? page.then(logPage) : logPage(page);
    }
    const page = this.source.readStream(target.streamId, after, limit, target.types, wantsIds);
    return isPromise(page) ? page.then(streamPage) : streamPage(page);
  }

  readonly #forget = (): void => {
    this.#asked = [];
  };
}

function isSameTarget(a: CheckedTarget, b: CheckedTarget): boolean {
  if (a === b) return true;
  if (a.streamId === undefined) return b.streamId === undefined && isSameFilter(a.filter, b.filter);
  return a.streamId === b.streamId && haveSameSources(a.types, b.types);
}

function isSameFilter(a: CompiledFilter, b: CompiledFilter): boolean {
  return a.stream === b.stream && a.streams?.source === b.streams?.source && haveSameSources(a.types, b.types);
}

function haveSameSources(a: readonly Pattern[] | undefined, b: readonly Pattern[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((pattern, index) => pattern.source === b[index].source);
}

function logPage({ events, globalPosition, head, trimmedTo, isEnd, afterId, reachedId }: LogPage): Page {
  return { events, readTo: globalPosition, head, trimmedTo, isEnd, afterId, reachedId };
}

function streamPage({ events, position, revision, trimmedTo, isEnd, afterId, reachedId }: StreamPage): Page {
  return { events, readTo: position, head: revision, trimmedTo, isEnd, afterId, reachedId };
}
