import { END } from '../store/cursor.js';
import { StreamNotFoundError, WrongExpectedRevisionError } from '../store/errors.js';
import type { EventStore } from '../store/event-store.js';
import type { NewEvent } from '../store/event.js';
import { FIRST, linkIn, linkOf, metadataWith, type Chained } from './hash-chain.js';

/** How often somebody else may be faster. Each time, somebody else's records are kept. */
const MOST_TRIES = 100;
const MOST_AT_A_TIME = 100;

interface Waiting {
  readonly event: Chained;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Where a stream ends. */
interface StreamEnd {
  readonly revision: number;
  readonly hash: string;
}

/**
 * Appends records one after the other, each with the hash of the one before it.
 *
 * Those that wait are appended together. The expected revision sees to it that nobody else has appended in between: another
 * instance, above all. Then the end of the stream is read again, and the hashes are made anew.
 */
export class ChainedAppender {
  readonly #waiting: Waiting[] = [];
  #isRunning = false;
  /** Where the stream of the last append ended. */
  #last: { readonly streamId: string; readonly end: StreamEnd } | undefined;

  constructor(private readonly store: EventStore) {}

  /** Resolves when the record is kept. @throws what the store fails with */
  append(event: Chained): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        await this.#appendAll(batch.map(({ event }) => event));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isRunning = false;
  }

  /** The oldest, and those behind it that go to the same stream. */
  #takeBatch(): Waiting[] {
    const { streamId } = this.#waiting[0].event;
    const next = this.#waiting.findIndex(({ event }) => event.streamId !== streamId);
    return this.#waiting.splice(0, Math.min(next < 0 ? this.#waiting.length : next, MOST_AT_A_TIME));
  }

  async #appendAll(events: readonly Chained[]): Promise<void> {
    const { streamId } = events[0];
    let end = this.#last?.streamId === streamId ? this.#last.end : await this.#readEnd(streamId);
    for (let tries = 1; ; tries++) {
      const { chained, hash } = chain(events, end);
      try {
        const { revision } = await this.store.append(streamId, chained, { expectedRevision: end.revision });
        this.#last = { streamId, end: { revision, hash } };
        return;
      } catch (error) {
        // What the append has left behind is not known.
        this.#last = undefined;
        if (!(error instanceof WrongExpectedRevisionError) || tries === MOST_TRIES) throw error;
        end = await this.#readEnd(streamId);
      }
    }
  }

  async #readEnd(streamId: string): Promise<StreamEnd> {
    try {
      const [last] = await this.store.readStream(streamId, END, { direction: 'backward', limit: 1 });
      if (last) return { revision: last.position, hash: linkIn(last)?.hash ?? FIRST };
      // Retention has removed what there was.
      return { revision: (await this.store.getStreamInfo(streamId)).lastPosition, hash: FIRST };
    } catch (error) {
      if (error instanceof StreamNotFoundError) return { revision: 0, hash: FIRST };
      throw error;
    }
  }
}

function chain(
  events: readonly Chained[],
  end: StreamEnd,
): { readonly chained: NewEvent<unknown>[]; readonly hash: string } {
  let { revision, hash } = end;
  const chained = events.map((event) => {
    const link = linkOf(event, ++revision, hash);
    hash = link.hash;
    const { id, type, timestamp, data } = event;
    return { id, type, timestamp, data, metadata: metadataWith(link) };
  });
  return { chained, hash };
}
