import type { RecordedEvent } from '../store/event.js';
import { isPromise, type MaybePromise } from '../store/maybe-promise.js';
import type { LogPage, StreamPage } from '../store/storage-engine.js';
import type { CheckedTarget, SubscriptionSource } from '../store/subscription.js';

/** A page of a stream or of the log, whichever is read. */
export interface Page {
  readonly events: readonly RecordedEvent[];
  /** How far was looked: where the next page begins. */
  readonly readTo: number;
  readonly head: number;
  readonly trimmedTo: number;
  readonly isEnd: boolean;
}

/** Reads a stream, or what a filter lets through of the log, in the same way. */
export class LogReader {
  constructor(
    private readonly source: SubscriptionSource,
    private readonly target: CheckedTarget,
  ) {}

  /** @param after exclusive: a position in the stream, or in the log */
  page(after: number, limit: number): MaybePromise<Page> {
    if (this.target.streamId === undefined) {
      const page = this.source.readAll(after, limit, this.target.filter);
      return isPromise(page) ? page.then(logPage) : logPage(page);
    }
    const page = this.source.readStream(this.target.streamId, after, limit, this.target.types);
    return isPromise(page) ? page.then(streamPage) : streamPage(page);
  }

  /** The position that `page` counts in. */
  placeOf(event: RecordedEvent): number {
    return this.target.streamId === undefined ? event.globalPosition : event.position;
  }

  /** What is read, in words. */
  describe(): string {
    if (this.target.streamId !== undefined) return `stream "${this.target.streamId}"`;
    const { streams } = this.target.filter;
    return streams ? `streams "${streams.source}"` : 'all streams';
  }
}

function logPage({ events, globalPosition, head, trimmedTo, isEnd }: LogPage): Page {
  return { events, readTo: globalPosition, head, trimmedTo, isEnd };
}

function streamPage({ events, position, revision, trimmedTo, isEnd }: StreamPage): Page {
  return { events, readTo: position, head: revision, trimmedTo, isEnd };
}
