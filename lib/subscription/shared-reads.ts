import { isPromise } from '../store/maybe-promise.js';
import type { StreamPage } from '../store/storage-engine.js';
import type { SubscriptionSource } from '../store/subscription.js';

interface LastRead {
  readonly streamId: string;
  readonly after: number;
  readonly limit: number;
  readonly page: StreamPage;
}

/**
 * A source whose subscriptions share what they read: those that an append has woken stand at the same place of the same
 * stream and ask the same question one after the other.
 *
 * The last answer is kept until the microtask that is running has ended, in which nothing can have been appended.
 */
export function shareReads(source: SubscriptionSource): SubscriptionSource {
  let last: LastRead | undefined;
  const forget = (): void => {
    last = undefined;
  };
  return {
    ...source,
    readStream: (streamId, after, limit, types) => {
      if (last?.after === after && last.limit === limit && last.streamId === streamId && types === undefined) {
        return last.page;
      }
      const page = source.readStream(streamId, after, limit, types);
      if (types === undefined && limit > 0 && !isPromise(page)) {
        if (!last) queueMicrotask(forget);
        last = { streamId, after, limit, page };
      }
      return page;
    },
  };
}
