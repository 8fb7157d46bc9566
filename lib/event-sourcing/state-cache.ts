/** A state as it can be kept: a text, and how far its stream had come. */
export interface KeptState {
  /** What the definition of the aggregate has written. */
  readonly text: string;
  /** The position of the last event in it. */
  readonly revision: number;
  readonly globalPosition: number;
  /** The id of that event, by which is told whether the log still goes on from it. */
  readonly lastId: string;
  /** When that event was kept, in milliseconds since 1970. */
  readonly recordedAt: number;
  /** The revision of the snapshot that is kept; 0 for none. */
  readonly snapshotRevision: number;
}

/** What an entry takes besides its texts: the objects of the entry and of the map. */
const BYTES_PER_ENTRY = 256;

/**
 * The states that this process remembers, as texts: whoever loads one gets an instance of his own. Bounded in bytes; the
 * ones that were not used for longest go first.
 *
 * It is never taken at its word: who has a state from here asks the log for what came after it.
 */
export class StateCache {
  /** By stream, the one that was used last at the end. */
  readonly #states = new Map<string, KeptState>();
  #bytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** How much the states take, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get(streamId: string): KeptState | undefined {
    const state = this.#states.get(streamId);
    if (state) {
      this.#states.delete(streamId);
      this.#states.set(streamId, state);
    }
    return state;
  }

  /** Keeps a state, unless a later one is there, or it would take the room of all others. */
  put(streamId: string, state: KeptState): void {
    const known = this.#states.get(streamId);
    if (known && known.revision > state.revision) return;
    this.delete(streamId);
    const bytes = bytesOf(streamId, state);
    if (bytes > this.maxBytes) return;
    this.#states.set(streamId, state);
    this.#bytes += bytes;
    for (const oldest of this.#states.keys()) {
      if (this.#bytes <= this.maxBytes) return;
      this.delete(oldest);
    }
  }

  delete(streamId: string): void {
    const state = this.#states.get(streamId);
    if (!state) return;
    this.#states.delete(streamId);
    this.#bytes -= bytesOf(streamId, state);
  }
}

/** At most: a text without characters beyond Latin-1 takes half of it. */
function bytesOf(streamId: string, { text, lastId }: KeptState): number {
  return 2 * (streamId.length + text.length + lastId.length) + BYTES_PER_ENTRY;
}
