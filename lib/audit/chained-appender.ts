import { inOwnContext } from '../store/services/async-context.js';
import { END } from '../store/values/cursor.js';
import {
  StorageUnavailableError,
  StoreClosedError,
  StreamNotFoundError,
  WrongExpectedRevisionError,
} from '../store/values/errors.js';
import type { EventStore } from '../store/event-store.js';
import { internalsOf } from '../store/store-internals.js';
import type { JsonValue, NewEvent } from '../store/values/event.js';
import type { AddedMetadata } from '../store/ports/instrumentation.js';
import { FIRST, linkIn, linkOf, metadataWith, type Chained, type WhereBefore } from './hash-chain.js';
import { beginningOf, type TrailStreams } from './trail-streams.js';

/** How often somebody else may be faster. Each time, somebody else's records are kept. */
const MOST_TRIES = 100;
const MOST_AT_A_TIME = 100;

interface Waiting {
  readonly event: Chained;
  readonly added: Readonly<Record<string, JsonValue>> | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What the next record comes after. */
interface RecordBefore extends WhereBefore {
  readonly previousHash: string;
}

/** Where a stream ends. */
interface StreamEnd {
  readonly revision: number;
  readonly last: RecordBefore;
}

/**
 * Appends records one after the other, each with the hash of the one before it.
 *
 * Those that wait are appended together. The expected revision sees to it that nobody else has appended in between: another
 * instance, above all. Then the end of the stream is read again, and the hashes are made anew.
 *
 * To tracing, each record is an append of its own, in the context of the call that it is about. What is done for several
 * of them runs in the context of none.
 */
export class ChainedAppender {
  readonly #waiting: Waiting[] = [];
  #isRunning = false;
  /** Where the stream of the last append ended. */
  #last: { readonly streamId: string; readonly end: StreamEnd } | undefined;

  constructor(
    private readonly store: EventStore,
    private readonly streams: TrailStreams,
  ) {}

  /** Resolves when the record is kept. @throws what the store fails with */
  append(event: Chained): Promise<void> {
    const aroundAppend = this.store.instrumentation?.aroundAppend;
    if (!aroundAppend) return this.#wait(event);
    const call = { store: this.store.name, streamId: event.streamId, events: 1 };
    return aroundAppend(call, (added) => this.#wait(event, added));
  }

  #wait(event: Chained, added?: AddedMetadata): Promise<void> {
    const metadata = added && (JSON.parse(added.text) as Readonly<Record<string, JsonValue>>);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, added: metadata, resolve, reject });
      if (!this.#isRunning) inOwnContext(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) await this.#settle(this.#takeBatch());
    this.#isRunning = false;
  }

  /** The oldest, and those behind it that go to the same stream. */
  #takeBatch(): Waiting[] {
    const { streamId } = this.#waiting[0].event;
    const next = this.#waiting.findIndex(({ event }) => event.streamId !== streamId);
    return this.#waiting.splice(0, Math.min(next < 0 ? this.#waiting.length : next, MOST_AT_A_TIME));
  }

  async #settle(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#appendAll(batch);
      for (const { resolve } of batch) resolve();
    } catch (error) {
      // One that is refused, or that there is no room for, must not take others with it.
      if (batch.length > 1 && !isForAll(error)) for (const one of batch) await this.#settle([one]);
      else for (const { reject } of batch) reject(error);
    }
  }

  async #appendAll(batch: readonly Waiting[]): Promise<void> {
    const { streamId } = batch[0].event;
    let end = this.#last?.streamId === streamId ? this.#last.end : await this.#readEnd(streamId);
    for (let tries = 1; ; tries++) {
      const next = chain(batch, end, this.store.clock.now());
      try {
        await internalsOf(this.store).appendInstrumented(streamId, next.chained, { expectedRevision: end.revision });
        this.#last = { streamId, end: next.end };
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
      if (last) {
        const { hash = FIRST } = linkIn(last) ?? {};
        return { revision: last.position, last: within(streamId, hash, last.recordedAt.getTime()) };
      }
      // Retention has removed what there was.
      return { revision: (await this.store.getStreamInfo(streamId)).lastPosition, last: { previousHash: FIRST } };
    } catch (error) {
      if (error instanceof StreamNotFoundError) return { revision: 0, last: await this.#lastOfStreamBefore() };
      throw error;
    }
  }

  /** Ties a new stream to the one before it, so that a whole stream cannot go. */
  async #lastOfStreamBefore(): Promise<RecordBefore> {
    const streamId = await this.streams.newest();
    const [last] = streamId === undefined ? [] : await this.#lastOf(streamId);
    const hash = last && linkIn(last)?.hash;
    if (streamId === undefined || hash === undefined) return { previousHash: FIRST };
    const previousStream = { streamId, position: last.position };
    return { previousHash: hash, previousStream, previousAt: last.recordedAt.toISOString() };
  }

  async #lastOf(streamId: string) {
    try {
      return await this.store.readStream(streamId, END, { direction: 'backward', limit: 1 });
    } catch (error) {
      // It was taken away in the meantime.
      if (error instanceof StreamNotFoundError) return [];
      throw error;
    }
  }
}

/** What the next record of the same stream comes after. */
function within(streamId: string, previousHash: string, at: number): RecordBefore {
  return { previousHash, ...(beginningOf(streamId) === undefined && { previousAt: new Date(at).toISOString() }) };
}

function chain(
  batch: readonly Waiting[],
  end: StreamEnd,
  at: number,
): { readonly chained: NewEvent<unknown>[]; readonly end: StreamEnd } {
  let { revision, last } = end;
  const chained = batch.map(({ event, added }) => {
    const { previousHash, ...where } = last;
    const link = linkOf(event, ++revision, previousHash, where);
    last = within(event.streamId, link.hash, at);
    const { id, type, timestamp, data } = event;
    return { id, type, timestamp, data, metadata: metadataWith(link, added) };
  });
  return { chained, end: { revision, last } };
}

/** Whether what failed with it would fail for each record alone, or may have been kept. */
function isForAll(error: unknown): boolean {
  return (
    error instanceof StorageUnavailableError ||
    error instanceof StoreClosedError ||
    error instanceof WrongExpectedRevisionError
  );
}
