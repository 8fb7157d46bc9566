import type { RecordedEvent } from '../store/values/event.js';
import type { MaybePromise } from '../store/values/maybe-promise.js';
import type { CheckedTarget } from '../store/ports/subscription.js';
import type { Page, SharedReads } from './shared-reads.js';

/** Reads a stream, or what a filter lets through of the log, in the same way. */
export class LogReader {
  constructor(
    private readonly reads: SharedReads,
    private readonly target: CheckedTarget,
  ) {}

  /** @param after exclusive: a position in the stream, or in the log */
  page(after: number, limit: number, wantsIds = false): MaybePromise<Page> {
    return this.reads.page(this.target, after, limit, wantsIds);
  }

  /** The position that `page` counts in. */
  positionOf(event: RecordedEvent): number {
    return this.target.streamId === undefined ? event.globalPosition : event.position;
  }

  /** What is read, in words. */
  describe(): string {
    if (this.target.streamId !== undefined) return `stream "${this.target.streamId}"`;
    const { streams } = this.target.filter;
    return streams ? `streams "${streams.source}"` : 'all streams';
  }
}
