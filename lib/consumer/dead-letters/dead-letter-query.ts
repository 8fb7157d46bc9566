import { ValidationError } from '../../store/values/errors.js';
import { checkMembers } from '../../store/values/known-members.js';
import { checkName, shown } from '../../store/values/names.js';
import { toTime, type Time } from '../../store/values/time.js';

/** Which dead letters are meant: those that have all of what is given. Without anything, all of them. */
export interface DeadLetterFilter {
  /** The name of the durable handler. */
  readonly subscription?: string;
  /** A part of the error's name, or of the first 500 characters of its message, in upper or lower case. */
  readonly error?: string;
  /** Dead-lettered at this time or later. */
  readonly from?: Time;
  /** Dead-lettered before this time. */
  readonly to?: Time;
  /** The stream of the event. */
  readonly stream?: string;
}

/** Which page of them. */
export interface DeadLetterQuery extends DeadLetterFilter {
  /** `next` of the page before; left out, the page begins with the oldest. */
  readonly after?: string;
  /** At most so many letters, from 1 to 1 000. Default 100. */
  readonly limit?: number;
}

/** Where a dead letter stands among all of them. All that it says is in the letter itself. */
export interface DeadLetterOrder {
  readonly failedAt: number;
  readonly subscription: string;
  readonly globalPosition: number;
}

export interface CheckedDeadLetterFilter {
  readonly subscription: string | undefined;
  /** In lower case. */
  readonly error: string | undefined;
  readonly from: number;
  readonly to: number;
  readonly stream: string | undefined;
  /** Which streams are for the eyes of who asks; undefined when all are. */
  readonly isVisible?: (streamId: string) => boolean;
}

export interface CheckedDeadLetterQuery extends CheckedDeadLetterFilter {
  readonly after: DeadLetterCursor | undefined;
  readonly limit: number;
}

const FILTER_MEMBERS = ['subscription', 'error', 'from', 'to', 'stream'];
const DEFAULT_LIMIT = 100;
export const MOST_LETTERS_A_PAGE = 1_000;

/** @throws {ValidationError} */
export function checkDeadLetterFilter(filter: DeadLetterFilter): CheckedDeadLetterFilter {
  checkMembers(filter, 'options', FILTER_MEMBERS);
  return checkedFilter(filter);
}

/** @throws {ValidationError} */
export function checkDeadLetterQuery(query: DeadLetterQuery): CheckedDeadLetterQuery {
  checkMembers(query, 'options', [...FILTER_MEMBERS, 'after', 'limit']);
  const { after, limit = DEFAULT_LIMIT } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_LETTERS_A_PAGE) {
    throw new ValidationError('limit', `${shown(limit)} is out of range: give 1 to ${MOST_LETTERS_A_PAGE}.`);
  }
  return { ...checkedFilter(query), after: after === undefined ? undefined : DeadLetterCursor.parse(after), limit };
}

function checkedFilter({ subscription, error, from, to, stream }: DeadLetterFilter): CheckedDeadLetterFilter {
  if (subscription !== undefined) checkName(subscription, 'subscription');
  if (stream !== undefined) checkName(stream, 'stream');
  if (error !== undefined && typeof error !== 'string') {
    throw new ValidationError('error', `${shown(error)} is no text: give a part of its name or message.`);
  }
  return {
    subscription,
    error: error?.toLowerCase(),
    from: from === undefined ? -Infinity : toTime(from, 'from'),
    to: to === undefined ? Infinity : toTime(to, 'to'),
    stream,
  };
}

/** The last letter that a reader saw. It need not be there any more. */
export class DeadLetterCursor {
  constructor(
    private readonly last: DeadLetterOrder,
    private readonly store: string,
  ) {}

  /** @throws {ValidationError} */
  static parse(text: string): DeadLetterCursor {
    try {
      const [failedAt, subscription, globalPosition, store] = JSON.parse(
        Buffer.from(text, 'base64url').toString(),
      ) as unknown[];
      if (
        Number.isInteger(failedAt) &&
        typeof subscription === 'string' &&
        Number.isInteger(globalPosition) &&
        typeof store === 'string'
      ) {
        const last = { failedAt, subscription, globalPosition } as DeadLetterOrder;
        return new DeadLetterCursor(last, store);
      }
    } catch {
      // Whatever it is, no page has given it.
    }
    throw new ValidationError('after', `${shown(text)} is no cursor: give "next" of the page before.`);
  }

  /** Whether a letter of a store comes after it. */
  isBefore(letter: DeadLetterOrder, store: string): boolean {
    return (compareOrder(this.last, letter) || compareText(this.store, store)) < 0;
  }

  toString(): string {
    const { failedAt, subscription, globalPosition } = this.last;
    return Buffer.from(JSON.stringify([failedAt, subscription, globalPosition, this.store])).toString('base64url');
  }
}

/** The oldest first; those of the same millisecond in an order that never changes. */
export function compareOrder(a: DeadLetterOrder, b: DeadLetterOrder): number {
  return a.failedAt - b.failedAt || compareText(a.subscription, b.subscription) || a.globalPosition - b.globalPosition;
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
