/** Where a batch was appended. */
export interface AppendedAt {
  /** The position of its first event in its stream. */
  readonly firstPosition: number;
  /** The global position of its first event. */
  readonly firstGlobalPosition: number;
}

/** Whoever waits for appends. */
export interface AppendListener {
  /** A batch was appended; told at once, and only of batches from this process. */
  appended(at: AppendedAt): void;

  /** Something was appended since the last call, or may have been: read the log to know. */
  wake(): void;
}

/**
 * Wakes those who wait for a stream, or for any stream, after an append.
 *
 * All wake-ups of one turn are delivered together in one microtask, however many appends the turn made. A wake-up carries
 * no event: who is woken reads on from its own place, so a doubled one does no harm.
 */
export class AppendSignal {
  readonly #ofStream = new Map<string, Set<AppendListener>>();
  readonly #ofAll = new Set<AppendListener>();
  #due = new Set<AppendListener>();

  /**
   * @param streamId the stream to listen to; undefined for all
   * @returns stops listening
   */
  listen(streamId: string | undefined, listener: AppendListener): () => void {
    const listeners = streamId === undefined ? this.#ofAll : this.#listenersOf(streamId);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      this.#due.delete(listener);
      if (streamId !== undefined && listeners.size === 0) this.#ofStream.delete(streamId);
    };
  }

  /**
   * @param streamId where something was appended; undefined when it may be any stream
   * @param at where in the stream and in the log, when it is known
   */
  notify(streamId?: string, at?: AppendedAt): void {
    const wasIdle = this.#due.size === 0;
    this.#mark(this.#ofAll, at);
    if (streamId === undefined) for (const listeners of this.#ofStream.values()) this.#mark(listeners, at);
    else this.#mark(this.#ofStream.get(streamId), at);
    if (wasIdle && this.#due.size > 0) queueMicrotask(() => this.#flush());
  }

  #mark(listeners: Iterable<AppendListener> = [], at: AppendedAt | undefined): void {
    for (const listener of listeners) {
      if (at) listener.appended(at);
      this.#due.add(listener);
    }
  }

  #flush(): void {
    const due = this.#due;
    this.#due = new Set();
    for (const listener of due) listener.wake();
  }

  #listenersOf(streamId: string): Set<AppendListener> {
    let listeners = this.#ofStream.get(streamId);
    if (!listeners) this.#ofStream.set(streamId, (listeners = new Set()));
    return listeners;
  }
}
