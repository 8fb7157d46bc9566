import type { Direction } from '../../store/ports/storage-engine.js';
import type { Row } from '../postgres-client.js';

/** What data and metadata of an event take, named `e`: the server knows it without reading what is stored apart. */
export const BYTES = 'octet_length(e.data) + octet_length(e.metadata)';

interface SoughtEvents {
  /** A query for rows of EVENT_COLUMNS, others before them, and `bytes`. */
  readonly events: string;
  /** The columns that stand before those of the event; none when left out. */
  readonly before?: string;
  /** Of the rows, as in `events`. */
  readonly order: string;
  /** The parameter that says what they may take all together. */
  readonly maxBytes: string;
}

/**
 * The rows that find room, in SQL; the first of all finds it whatever its size. One more comes along, without its texts, if
 * there is one that finds none: nothing is sent that is thrown away.
 */
export function boundedPage({ events, before, order, maxBytes }: SoughtEvents): string {
  return `
    SELECT ${before === undefined ? '' : `${before}, `}e.global_position, e.position, e.id, e.type, CASE WHEN e.fits THEN e.data END,
      CASE WHEN e.fits THEN e.metadata END, e.timestamp, e.recorded_at
    FROM (
      SELECT e.*, e.number = 1 OR e.sum <= ${maxBytes}::bigint AS fits FROM (
        SELECT e.*, sum(e.bytes) OVER w AS sum, row_number() OVER w AS number FROM (${events}) AS e
        WINDOW w AS (ORDER BY ${order} ROWS UNBOUNDED PRECEDING)
      ) AS e WHERE e.number <= 2 OR e.sum - e.bytes <= ${maxBytes}::bigint
    ) AS e ORDER BY ${order}`;
}

/**
 * Splits the rows of a bounded page.
 *
 * @param at which column is the first of the event's, from 0
 * @returns those with an event that found room, and whether the next one found none
 */
export function withinRoom(
  rows: readonly Row[],
  at: number,
): { readonly fitting: readonly Row[]; readonly isFull: boolean } {
  const [last] = rows.slice(-1);
  const isFull = last !== undefined && last[at] !== null && last[at + 4] === null;
  return { fitting: isFull ? rows.slice(0, -1) : rows, isFull };
}

/**
 * The rows of a bounded page that was joined, in the order of a column of numbers. A join keeps the order of a page by most plans, and no
 * plan promises it. To look at a thousand numbers here takes nothing; to sort the page once more on the server, it would have
 * to be copied.
 *
 * @param column which one, from 0
 */
export function inOrder(rows: readonly Row[], column: number, direction: Direction): readonly Row[] {
  const sign = direction === 'forward' ? 1 : -1;
  const compare = (one: Row, other: Row): number => sign * (Number(one[column]) - Number(other[column]));
  const isSorted = rows.every((row, index) => index === 0 || compare(rows[index - 1], row) < 0);
  return isSorted ? rows : [...rows].sort(compare);
}
