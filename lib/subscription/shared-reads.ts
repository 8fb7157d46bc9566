import { isPromise, type MaybePromise } from '../store/maybe-promise.js';
import type { LogPage, StreamPage } from '../store/storage-engine.js';
import type { CheckedTarget, SubscriptionSource } from '../store/subscription.js';
import type { RecordedEvent } from '../store/event.js';

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

interface LastRead {
  readonly streamId: string;
  readonly after: number;
  readonly limit: number;
  readonly wantsIds: boolean;
  readonly page: Page;
}

/**
 * Reads for all subscriptions of a store, which share what they read: those that an append has woken stand at the same
 * place of the same stream and ask the same question one after the other.
 *
 * The last answer is kept until the microtask that is running has ended, in which nothing can have been appended.
 */
export class SharedReads {
  #last: LastRead | undefined;

  constructor(private readonly source: SubscriptionSource) {}

  /** @param after exclusive: a position in the target's stream, or in the log when the target is not one stream */
  page(target: CheckedTarget, after: number, limit: number, wantsIds = false): MaybePromise<Page> {
    if (target.streamId === undefined) {
      const page = this.source.readAll(after, limit, target.filter, wantsIds);
      return isPromise(page) ? page.then(logPage) : logPage(page);
    }
    const { streamId, types } = target;
    const last = this.#last;
    if (
      last?.after === after &&
      last.limit === limit &&
      last.streamId === streamId &&
      types === undefined &&
      last.wantsIds === wantsIds
    ) {
      return last.page;
    }
    const answer = this.source.readStream(streamId, after, limit, types, wantsIds);
    if (isPromise(answer)) return answer.then(streamPage);
    const page = streamPage(answer);
    if (types === undefined && limit > 0) {
      if (!last) queueMicrotask(this.#forget);
      this.#last = { streamId, after, limit, wantsIds, page };
    }
    return page;
  }

  readonly #forget = (): void => {
    this.#last = undefined;
  };
}

function logPage({ events, globalPosition, head, trimmedTo, isEnd, afterId, reachedId }: LogPage): Page {
  return { events, readTo: globalPosition, head, trimmedTo, isEnd, afterId, reachedId };
}

function streamPage({ events, position, revision, trimmedTo, isEnd, afterId, reachedId }: StreamPage): Page {
  return { events, readTo: position, head: revision, trimmedTo, isEnd, afterId, reachedId };
}
