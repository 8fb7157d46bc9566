import type { Direction } from '../../store/storage-engine.js';
import { MOST_EVENTS_LOOKED_AT } from './page-size.js';

/** What a page was made of. Positions are those of a stream, or of the log. */
interface Page {
  readonly after: number;
  readonly direction: Direction;
  /** Whether it holds as many events as it could. */
  readonly isFull: boolean;
  /** The position of the last event in it; undefined when it holds none. */
  readonly lastRead: number | undefined;
  readonly trimmedTo: number;
  /** The position of the last event there is. */
  readonly last: number;
}

/** How far a page reaches, and whether nothing follows it. */
export function endOfPage(page: Page): { readonly position: number; readonly isEnd: boolean } {
  const { after, direction, isFull, lastRead = after, trimmedTo, last } = page;
  if (direction === 'forward') {
    const begin = Math.max(after, trimmedTo);
    if (begin >= last) return { position: after, isEnd: true };
    const position = isFull ? lastRead : Math.min(begin + MOST_EVENTS_LOOKED_AT, last);
    return { position, isEnd: position >= last };
  }
  const begin = Math.min(after, last + 1);
  if (begin <= trimmedTo + 1) return { position: after, isEnd: true };
  const position = isFull ? lastRead : Math.max(begin - MOST_EVENTS_LOOKED_AT, trimmedTo + 1);
  return { position, isEnd: position <= trimmedTo + 1 };
}

/**
 * The condition that a page looks at: what lies behind `begin` in its direction, is kept, and is not too much.
 *
 * @param column the position
 * @param begin a parameter; null for infinity
 * @param trimmedTo an expression
 * @param last an expression
 */
export function pageCondition(
  direction: Direction,
  column: string,
  begin: string,
  trimmedTo: string,
  last: string,
): string {
  if (direction === 'forward') {
    return `${column} > ${begin}::bigint AND ${column} > ${trimmedTo}
      AND ${column} <= greatest(${begin}::bigint, ${trimmedTo}) + ${MOST_EVENTS_LOOKED_AT}`;
  }
  return `${column} < least(${begin}::bigint, ${last} + 1) AND ${column} > ${trimmedTo}
    AND ${column} >= least(${begin}::bigint, ${last} + 1) - ${MOST_EVENTS_LOOKED_AT}`;
}
