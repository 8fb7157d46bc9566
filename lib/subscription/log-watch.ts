import type { StreamEnd } from '../store/ports/storage-engine.js';
import { goesOnFrom, type Place } from '../store/values/place.js';
import type { SubscriptionSource } from '../store/ports/subscription.js';

/** One that has read to the end, and rests until there may be news. */
export interface Resting {
  /** The stream it reads; undefined when it reads the log. */
  readonly streamId: string | undefined;
  /** Where it came to the end: of its stream, or of the log. */
  readonly place: Place;
  readonly wake: () => void;
}

/** So many streams are asked for at a time. */
const STREAMS_PER_LOOK = 1_000;

/**
 * Looks for news, once every so often, for all subscriptions of a store that rest: of what another process has appended when
 * the hint was lost, and of a log that went back. However many they are, a look is one question about the end of the log.
 *
 * While the log ends with the same event as at the look before, nothing has happened to any stream. Only those are then
 * compared that have come to rest since. When it does not, all are: those that read the log with its end; those that read
 * one stream with the end of that, which is one more question for all of them. Who is not where its log or stream ends is
 * woken, reads on from its own place, and finds out.
 */
export class LogWatch {
  /** And whether each was found to be at the end of what it reads since it came to rest. */
  readonly #resting = new Map<Resting, boolean>();
  #cancelTimer: (() => void) | undefined;
  #isLooking = false;
  /** The end of the log at the last look. */
  #end: Place | undefined;

  constructor(
    private readonly source: SubscriptionSource,
    private readonly intervalMs: number,
  ) {}

  /** @returns to be called when it rests no longer */
  rest(resting: Resting): () => void {
    this.#resting.set(resting, false);
    this.#plan();
    return () => {
      this.#resting.delete(resting);
      if (this.#resting.size > 0) return;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    };
  }

  #plan(): void {
    if (this.#cancelTimer || this.#isLooking || this.#resting.size === 0) return;
    const look = (): void => void this.#look();
    this.#cancelTimer = this.source.clock.setTimer(look, this.intervalMs, { background: true });
  }

  async #look(): Promise<void> {
    this.#cancelTimer = undefined;
    this.#isLooking = true;
    const there = [...this.#resting.keys()];
    try {
      const hasChanged = await this.#findEnd();
      const due = there.filter((resting) => {
        const isAtEnd = this.#resting.get(resting);
        // It may have left meanwhile.
        return isAtEnd !== undefined && (hasChanged || !isAtEnd);
      });
      for (const resting of due) if (resting.streamId === undefined) this.#compare(resting, this.#end!);
      await this.#lookAtStreams(due.filter(({ streamId }) => streamId !== undefined));
    } catch {
      // Whoever reads meets the failure itself, and says so.
      for (const resting of there) this.#wake(resting);
    } finally {
      this.#isLooking = false;
      this.#plan();
    }
  }

  /** Finds out where the log ends. @returns whether that is elsewhere than at the last look, or another event is there */
  async #findEnd(): Promise<boolean> {
    const known = this.#end;
    const { head, afterId } = await this.#lookAt(known?.position ?? 0);
    if (known?.position === head && known.id === afterId) return false;
    this.#end = { position: head, id: (await this.#lookAt(head)).afterId };
    return true;
  }

  #lookAt(position: number): Promise<{ readonly head: number; readonly afterId?: string }> {
    return Promise.resolve(this.source.readAll(position, 0, undefined, this.source.mayGoBack));
  }

  async #lookAtStreams(due: readonly Resting[]): Promise<void> {
    const streamIds = [...new Set(due.map(({ streamId }) => streamId!))];
    const ends = new Map<string, StreamEnd>();
    for (let first = 0; first < streamIds.length; first += STREAMS_PER_LOOK) {
      const found = await this.source.streamEnds(streamIds.slice(first, first + STREAMS_PER_LOOK));
      // An engine that cannot tell.
      if (!found) return due.forEach((resting) => this.#wake(resting));
      for (const end of found) ends.set(end.streamId, end);
    }
    for (const resting of due) {
      const { revision = 0, lastId } = ends.get(resting.streamId!) ?? {};
      this.#compare(resting, { position: revision, id: lastId });
    }
  }

  #compare(resting: Resting, end: Place): void {
    const isAtEnd =
      resting.place.position === end.position &&
      goesOnFrom(resting.place, { head: end.position, trimmedTo: 0, id: end.id });
    if (!isAtEnd) this.#wake(resting);
    else if (this.#resting.has(resting)) this.#resting.set(resting, true);
  }

  /** It may have been woken meanwhile. */
  #wake(resting: Resting): void {
    if (this.#resting.has(resting)) resting.wake();
  }
}
