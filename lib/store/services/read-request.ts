import { Cursor, END, START } from '../values/cursor.js';
import { ValidationError } from '../values/errors.js';
import { compileTypes, type EventFilter, toFilter } from '../values/event-filter.js';
import type { RecordedEvent } from '../values/event.js';
import { MOST_BYTES_A_PAGE } from '../values/page-bytes.js';
import { checkPosition, toLimit } from '../values/positions.js';
import type { Direction } from '../ports/storage-engine.js';
import { type Time, toTime } from '../values/time.js';
import { checkedName, shown } from '../values/names.js';

export interface ReadOptions {
  /** Only events of these types; a type may be a pattern, such as `order.*`. Default all. */
  readonly types?: readonly string[];
  /** Whether events are to be as they were written, under the name and in the version of then. Default false. */
  readonly raw?: boolean;
  readonly signal?: AbortSignal;
}

export interface ReadResult {
  readonly events: RecordedEvent[];
  /** Names the last event read: the next read goes on from here. Unchanged when nothing new came. */
  readonly cursor: Cursor;
  /** Whether the stream has no further event for this reader now. */
  readonly isEnd: boolean;
}

export interface ReadStreamOptions extends ReadOptions {
  /** At most so many events; 0 or less, the default, means all. */
  readonly limit?: number;
  /** `backward` gives the newest first. Default `forward`. */
  readonly direction?: Direction;
}

export interface ReadAllOptions {
  /** The global position to begin after (before, when reading backward). Default 0: the end that reading starts from. */
  readonly from?: number | typeof START | typeof END;
  /** At most so many events; 0 or less means all. Default 1 000. */
  readonly limit?: number;
  /** `backward` gives the newest first. Default `forward`. */
  readonly direction?: Direction;
  readonly filter?: EventFilter;
  /** Whether events are to be as they were written, under the name and in the version of then. Default false. */
  readonly raw?: boolean;
  readonly signal?: AbortSignal;
}

export interface ReadAllResult {
  readonly events: RecordedEvent[];
  /** How far was read, whether the filter let events through or not: the next `from`. */
  readonly globalPosition: number;
  /** Whether the log has no further event for this reader now. */
  readonly isEnd: boolean;
}

export interface ReadTimeRangeOptions {
  readonly filter?: EventFilter;
  /** At most so many events; 0 or less, the default, means all. */
  readonly limit?: number;
  /** Whether events are to be as they were written, under the name and in the version of then. Default false. */
  readonly raw?: boolean;
  readonly signal?: AbortSignal;
}

/** The request of `read`. */
export function readRequest(streamId: string, cursor: Cursor | number, limit: number, { types }: ReadOptions) {
  return {
    streamId: checkedName(streamId, 'streamId'),
    after: toPosition(cursor, streamId),
    limit: toLimit(limit),
    maxBytes: MOST_BYTES_A_PAGE,
    direction: 'forward',
    types: compileTypes(types, 'types'),
    wantsIds: cursor instanceof Cursor && cursor.mark !== undefined,
  } as const;
}

/** The request of `readStream`. */
export function streamRequest(
  streamId: string,
  fromPosition: number | typeof START | typeof END,
  { limit = 0, direction = 'forward', types }: ReadStreamOptions,
) {
  checkDirection(direction);
  return {
    streamId: checkedName(streamId, 'streamId'),
    after: toBound(fromPosition, 'fromPosition', direction),
    limit: toLimit(limit),
    maxBytes: MOST_BYTES_A_PAGE,
    direction,
    types: compileTypes(types, 'types'),
  };
}

/** The request of `readAll`. */
export function allRequest({ from = 0, limit = 1_000, direction = 'forward', filter }: ReadAllOptions) {
  checkDirection(direction);
  return {
    after: toBound(from, 'from', direction),
    limit: toLimit(limit),
    maxBytes: MOST_BYTES_A_PAGE,
    direction,
    filter: toFilter(filter),
  };
}

/** The request of `readTimeRange`. */
export function timeRangeRequest(
  from: Time | undefined,
  to: Time | undefined,
  { limit = 0, filter }: ReadTimeRangeOptions,
) {
  return { ...toRange(from, to), limit: toLimit(limit), filter: toFilter(filter) };
}

/** The position that a cursor of this stream, or a number, stands for. */
export function toPosition(cursor: Cursor | number, streamId: string): number {
  if (!(cursor instanceof Cursor)) {
    checkPosition(cursor, 'cursor');
    return cursor;
  }
  if (cursor.streamId !== streamId) {
    throw new ValidationError('cursor', `it is a cursor of stream "${cursor.streamId}", not of "${streamId}".`);
  }
  checkPosition(cursor.position, 'cursor.position');
  return cursor.position;
}

/** Where a read begins, exclusive. 0 stands for the end that it starts from. */
export function toBound(from: number | typeof START | typeof END, field: string, direction: Direction): number {
  if (from === START) return 0;
  if (from === END) return Infinity;
  checkPosition(from, field);
  return direction === 'backward' && from === 0 ? Infinity : from;
}

export function checkDirection(direction: unknown): asserts direction is Direction {
  if (direction !== 'forward' && direction !== 'backward') {
    throw new ValidationError('direction', `${shown(direction)} is neither: give "forward" or "backward".`);
  }
}

/** A range of times in milliseconds since 1970; -Infinity and Infinity for the ends that were left open. */
export function toRange(from: Time | undefined, to: Time | undefined): { readonly from: number; readonly to: number } {
  const range = {
    from: from === undefined ? -Infinity : toTime(from, 'from'),
    to: to === undefined ? Infinity : toTime(to, 'to'),
  };
  if (range.from > range.to) throw new ValidationError('from', 'it is after "to": give the earlier time first.');
  return range;
}

export function checkBatchSize(batchSize: unknown): void {
  if (!Number.isInteger(batchSize) || (batchSize as number) < 1 || (batchSize as number) > 10_000) {
    throw new ValidationError(
      'batchSize',
      `${shown(batchSize)} is out of range: give a whole number from 1 to 10 000.`,
    );
  }
}
