import { StorageCorruptedError } from '../../store/values/errors.js';
import type { Direction, PageIds } from '../../store/ports/storage-engine.js';

/** What a page was made of. Positions are those of a stream, or of the log. */
interface FoundPage {
  readonly after: number;
  readonly direction: Direction;
  /** How many positions were looked at, at most; Infinity for all. */
  readonly mostLookedAt: number;
  /** Whether it ends with its last event, because it holds as many as it could. */
  readonly endsEarly: boolean;
  /** The position of the last event in it; undefined when it holds none. */
  readonly lastRead: number | undefined;
  readonly trimmedTo: number;
  /** The position of the last event there is. */
  readonly last: number;
}

/** How far a page reaches, and whether nothing follows it. */
export function endOfPage(page: FoundPage): { readonly position: number; readonly isEnd: boolean } {
  const { after, direction, mostLookedAt, endsEarly, lastRead = after, trimmedTo, last } = page;
  if (direction === 'forward') {
    const begin = Math.max(after, trimmedTo);
    if (begin >= last) return { position: after, isEnd: true };
    const position = endsEarly ? lastRead : Math.min(begin + mostLookedAt, last);
    return { position, isEnd: position >= last };
  }
  const begin = Math.min(after, last + 1);
  if (begin <= trimmedTo + 1) return { position: after, isEnd: true };
  const position = endsEarly ? lastRead : Math.max(begin - mostLookedAt, trimmedTo + 1);
  return { position, isEnd: position <= trimmedTo + 1 };
}

/** The first and the last position that a page has looked at; it is empty when the first is above the last. */
export interface Stretch {
  readonly first: number;
  readonly last: number;
}

/** @param position how far the page reaches */
export function stretchOfPage(
  { after, direction }: Pick<FoundPage, 'after' | 'direction'>,
  { position, trimmedTo, last }: Pick<FoundPage, 'trimmedTo' | 'last'> & { readonly position: number },
): Stretch {
  return direction === 'forward'
    ? { first: Math.max(after, trimmedTo) + 1, last: Math.min(position, last) }
    : { first: Math.max(position, trimmedTo + 1), last: Math.min(after - 1, last) };
}

/**
 * Sees that a page is whole: positions have no gaps, so the events between two of them can be counted.
 *
 * @param place where it was read, in words
 * @throws {StorageCorruptedError} when events are missing
 */
export function checkWhole(place: string, { first, last }: Stretch, count: number): void {
  if (count > last - first) return;
  if (first > last) return;
  throw new StorageCorruptedError(
    place,
    `between ${first} and ${last} there are ${count} events, not ${last - first + 1}: see what "npx nestjs-stream-store verify" finds`,
  );
}

/** What was found of the places of a page. */
interface FoundIds {
  /** Of the event at `after`. */
  readonly afterId: string | null;
  /** Of the event at `farthestPlace`. */
  readonly farthestId: string | null;
  /** The last event of the page. */
  readonly last: { readonly position: number; readonly id: string } | undefined;
}

/** Which events lie where a page begins, and where it ends. */
export function idsOfPage(after: number, position: number, { afterId, farthestId, last }: FoundIds): PageIds {
  const reached = last?.position === position ? last.id : position === after ? afterId : farthestId;
  return { afterId: afterId ?? undefined, reachedId: reached ?? undefined };
}

/** How far a page reads that no event fills, in SQL. */
export function farthestPlace({
  begin,
  trimmedTo,
  last,
  mostLookedAt,
}: Omit<SoughtPage, 'column' | 'direction'>): string {
  return mostLookedAt ? `least(greatest(${begin}::bigint, ${trimmedTo}) + ${mostLookedAt}, ${last})` : last;
}

/** Where a page looks, in SQL. */
interface SoughtPage {
  readonly column: string;
  readonly direction: Direction;
  /** The parameter of `after`; null stands for infinity. */
  readonly begin: string;
  readonly trimmedTo: string;
  readonly last: string;
  /** Left out, there is no bound. */
  readonly mostLookedAt?: number;
}

/** The condition that a page looks at: what lies behind `begin` in its direction, is kept, and is not too far away. */
export function conditionOfPage({ column, direction, begin, trimmedTo, last, mostLookedAt }: SoughtPage): string {
  const conditions = [`${column} > ${trimmedTo}`];
  if (direction === 'forward') {
    // A comparison with null finds nothing, as nothing lies behind infinity.
    conditions.push(`${column} > ${begin}::bigint`);
    if (mostLookedAt) conditions.push(`${column} <= greatest(${begin}::bigint, ${trimmedTo}) + ${mostLookedAt}`);
  } else {
    const start = `least(${begin}::bigint, ${last} + 1)`;
    conditions.push(`${column} < ${start}`);
    if (mostLookedAt) conditions.push(`${column} >= ${start} - ${mostLookedAt}`);
  }
  return conditions.join(' AND ');
}
