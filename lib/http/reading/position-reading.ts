import { END } from '../../store/values/cursor.js';
import type { EventFilter } from '../../store/values/event-filter.js';
import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { Direction } from '../../store/ports/storage-engine.js';
import { EventLoopTurn } from '../../store/ports/event-loop-turn.js';
import type { EventReading, ReadingManner } from './event-page.js';

const BATCH_SIZE = 512;

/** Where events are read one after the other: a stream, or the whole log. */
interface PositionedEvents {
  /** Reads after a position, exclusive, in the direction of the reading; 0 is where that begins. */
  read(
    after: number,
    limit: number,
    signal?: AbortSignal,
  ): Promise<{ events: RecordedEvent[]; next: number | undefined }>;
  /** The position of the last event there is. */
  head(): Promise<number>;
  placeOf(event: RecordedEvent): number;
}

/** The order of positions: of one stream, or of the whole log. */
class PositionReading implements EventReading {
  constructor(
    private readonly source: PositionedEvents,
    private readonly begin: number,
    private readonly direction: Direction,
  ) {}

  async *batches({ first, signal }: ReadingManner): AsyncIterable<readonly RecordedEvent[]> {
    const turn = new EventLoopTurn();
    let head: number | undefined;
    let size = Math.min(first, BATCH_SIZE);
    for (
      let after: number | undefined = this.begin;
      after !== undefined && after < (head ?? Infinity);
      size = BATCH_SIZE
    ) {
      const page = await this.source.read(after, size, signal);
      yield head === undefined ? page.events : page.events.filter((event) => this.source.placeOf(event) <= head!);
      after = page.next;
      // Who reads more slowly than others append would never come to an end.
      if (after !== undefined) head ??= this.direction === 'forward' ? await this.source.head() : Infinity;
      await turn.giveBack();
    }
  }

  after(event: RecordedEvent): Record<string, string> {
    return { after: String(this.source.placeOf(event)) };
  }
}

/**
 * Events of one stream, by position.
 *
 * @param after exclusive; 0 for the end that the reading begins at
 */
export function readingOfStream(
  store: EventStore,
  streamId: string,
  after: number,
  direction: Direction,
  types: readonly string[] | undefined,
): EventReading {
  const source: PositionedEvents = {
    async read(from, limit, signal) {
      const { events, position, isEnd } = await internalsOf(store).readStreamPage(streamId, from, {
        limit,
        direction,
        types,
        signal,
      });
      return { events: [...events], next: isEnd ? undefined : position };
    },
    head: async () => (await store.getStreamInfo(streamId)).lastPosition,
    placeOf: ({ position }) => position,
  };
  return new PositionReading(source, after, direction);
}

/** Events of the whole log, by global position. */
export function readingOfLog(
  store: EventStore,
  after: number,
  direction: Direction,
  filter: EventFilter,
): EventReading {
  const source: PositionedEvents = {
    async read(from, limit, signal) {
      const { events, globalPosition, isEnd } = await store.readAll({ from, limit, direction, filter, signal });
      return { events, next: isEnd ? undefined : globalPosition };
    },
    head: () => headOf(store),
    placeOf: ({ globalPosition }) => globalPosition,
  };
  return new PositionReading(source, after, direction);
}

/** The global position of the last event there is; 0 for an empty log. */
export async function headOf(store: EventStore): Promise<number> {
  // A reading that begins at the end finds nothing, and says where that was.
  const { globalPosition } = await store.readAll({ from: END, limit: 1 });
  return globalPosition;
}
