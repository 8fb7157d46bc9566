import { afterTurn } from './event-loop-turn.js';

/** So many appends wait at most to be told, so that those who are woken find them in the engine's cache. */
const MOST_UNTOLD_APPENDS = 128;

/** Where a batch was appended. */
export interface AppendedAt {
  readonly streamId: string;
  /** The position of its first event in its stream. */
  readonly firstPosition: number;
  /** The global position of its first event. */
  readonly firstGlobalPosition: number;
}

/** Called when something was appended since the last call, or may have been: read the log to know. */
export type WakeUp = () => void;

/**
 * Wakes those who wait for a stream, or for any stream, after an append.
 *
 * The first append in a turn of the event loop is told at once, in a microtask. Those that follow it are told together, at
 * the end of the turn or when there are 128: to be woken costs a listener ten times what it costs to take one event more. A
 * wake-up carries no event: who is woken reads on from its own place, so a doubled one does no harm.
 */
export class AppendSignal {
  readonly #ofStream = new Map<string, Set<WakeUp>>();
  readonly #ofAll = new Set<WakeUp>();
  readonly #watchers = new Set<(at: AppendedAt) => void>();
  /** The groups to wake. An append marks a group, so it costs the same however many listeners there are. */
  #due = new Set<ReadonlySet<WakeUp>>();
  #untold = 0;
  #isFlushQueued = false;
  /** Whether somebody was woken in this turn of the event loop already. */
  #hasFlushed = false;

  /**
   * @param streamId the stream to listen to; undefined for all
   * @returns stops listening
   */
  listen(streamId: string | undefined, wakeUp: WakeUp): () => void {
    const group = streamId === undefined ? this.#ofAll : this.#groupOf(streamId);
    group.add(wakeUp);
    return () => {
      group.delete(wakeUp);
      if (streamId !== undefined && group.size === 0) this.#ofStream.delete(streamId);
    };
  }

  /** Calls `watcher` at once for each batch that this process appends. @returns stops the calls */
  watch(watcher: (at: AppendedAt) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Says that this process has appended a batch. */
  appended(at: AppendedAt): void {
    for (const watcher of this.#watchers) watcher(at);
    this.notify(at.streamId);
  }

  /** @param streamId where something may have been appended; undefined when it may be any stream */
  notify(streamId?: string): void {
    if (this.#ofAll.size > 0) this.#due.add(this.#ofAll);
    if (streamId === undefined) {
      for (const group of this.#ofStream.values()) this.#due.add(group);
    } else {
      const group = this.#ofStream.get(streamId);
      if (group) this.#due.add(group);
    }
    if (this.#due.size === 0) return;
    this.#untold++;
    if (this.#isFlushQueued || (this.#hasFlushed && this.#untold < MOST_UNTOLD_APPENDS)) return;
    this.#isFlushQueued = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const due = this.#due;
    this.#due = new Set();
    this.#untold = 0;
    this.#isFlushQueued = false;
    if (!this.#hasFlushed) {
      this.#hasFlushed = true;
      afterTurn(() => this.#endTurn());
    }
    for (const group of due) for (const wakeUp of group) wakeUp();
  }

  #endTurn(): void {
    this.#hasFlushed = false;
    if (this.#due.size > 0) this.#flush();
  }

  #groupOf(streamId: string): Set<WakeUp> {
    let group = this.#ofStream.get(streamId);
    if (!group) this.#ofStream.set(streamId, (group = new Set()));
    return group;
  }
}
