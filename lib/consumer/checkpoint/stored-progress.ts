import { StreamNotFoundError } from '../../store/values/errors.js';
import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { SubscriptionTarget } from '../../store/values/target.js';

const EVENTS_PER_PAGE = 512;

/** Of a log that went back all may have to be read again. */
export function lagOf(position: number, end: number): number {
  return position > end ? end : end - position;
}

/** How far a durable handler has come that another process runs: what its checkpoint tells. */
export class StoredProgress {
  readonly #target: { readonly stream?: string; readonly streams?: string; readonly types?: readonly string[] };

  /** @param accepts which events of the target are for the handler */
  constructor(
    private readonly name: string,
    private readonly store: EventStore,
    target: SubscriptionTarget,
    private readonly accepts: (event: RecordedEvent) => boolean,
  ) {
    this.#target = typeof target === 'string' ? { stream: target } : target;
  }

  /** The end, at this moment, of what positions count in. */
  async end(): Promise<number> {
    const { stream } = this.#target;
    if (stream === undefined) return this.store.head();
    try {
      return (await this.store.getStreamInfo(stream)).lastPosition;
    } catch (error) {
      if (error instanceof StreamNotFoundError) return 0;
      throw error;
    }
  }

  async status(): Promise<{ readonly position: number; readonly lag: number }> {
    const [checkpoint, end] = await Promise.all([internalsOf(this.store).loadCheckpoint(this.name), this.end()]);
    const position = checkpoint?.position ?? 0;
    return { position, lag: lagOf(position, end) };
  }

  /** Whether nothing up to a position is left to do. The checkpoint may be behind it, when what follows is for others. */
  async hasReached(goal: number): Promise<boolean> {
    const checkpoint = await internalsOf(this.store).loadCheckpoint(this.name);
    if (!checkpoint) return false;
    const ahead = new Set(checkpoint.ahead);
    const isLeft = (event: RecordedEvent): boolean => {
      const position = this.#target.stream === undefined ? event.globalPosition : event.position;
      return position <= goal && !ahead.has(position) && this.accepts(event);
    };
    for (let { position } = checkpoint; position < goal;) {
      const { events, readTo, isEnd } = await this.#read(position);
      if (events.some(isLeft)) return false;
      if (isEnd) break;
      position = readTo;
    }
    return true;
  }

  async #read(after: number): Promise<{ events: readonly RecordedEvent[]; readTo: number; isEnd: boolean }> {
    const { stream, streams, types } = this.#target;
    if (stream === undefined) {
      const filter = { streams, types };
      const { events, globalPosition, isEnd } = await this.store.readAll({
        from: after,
        limit: EVENTS_PER_PAGE,
        filter,
      });
      return { events, readTo: globalPosition, isEnd };
    }
    const { events, cursor, isEnd } = await this.store.read(stream, after, EVENTS_PER_PAGE, { types });
    return { events, readTo: cursor.position, isEnd };
  }
}
