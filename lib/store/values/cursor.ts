import { ValidationError } from './errors.js';
import { shown } from './names.js';
import { MARK_PATTERN } from './place.js';
import { readOnlyDate, ReadOnlyDate } from './read-only-date.js';
import { toTime } from './time.js';

/** Before the first event. */
export const START = 'start';

/** After the last event there is now. */
export const END = 'end';

const MARK = new RegExp(`^${MARK_PATTERN}$`);

/**
 * The text form. A stream id may contain spaces and even " pos:", so the last one counts: the first group is greedy. The mark
 * may stand behind the time, too.
 */
const TEXT = new RegExp(
  `^stream:(.+) pos:(\\d+)(?: id:(${MARK_PATTERN}))?(?: time:(\\S+))?(?: id:(${MARK_PATTERN}))?$`,
  'su',
);

/**
 * The last event a reader saw in one stream: where its next read goes on.
 *
 * A cursor is exclusive: reading from it gives the events after it. It is immutable, and its text form survives a file,
 * a column or a query string: `Cursor.parse(String(cursor))` gives an equal cursor.
 */
export class Cursor {
  /** When the event at `position` happened, if the cursor came from a read. For people; reading goes by `position`. */
  readonly timestamp: Date | undefined;

  /**
   * @param position of the last event seen, from 1; 0 (the default) is before the first event
   * @param mark seven characters that follow from the id of the event at `position`, in a cursor that came from a read: they
   *   tell whether that event is still there. Without it, only the position counts
   * @throws {ValidationError} when `mark` is none
   */
  constructor(
    readonly streamId: string,
    readonly position = 0,
    timestamp?: Date,
    readonly mark?: string,
  ) {
    if (mark !== undefined && !(typeof mark === 'string' && MARK.test(mark))) {
      throw new ValidationError('mark', `${shown(mark)} is none: take it from a cursor that came from a read.`);
    }
    this.timestamp =
      timestamp === undefined || timestamp instanceof ReadOnlyDate ? timestamp : readOnlyDate(timestamp.getTime());
    Object.freeze(this);
  }

  /**
   * For example `stream:orders pos:7 id:0y3k9qa time:2024-01-01T00:00:00Z`; without `id:` when the cursor has no mark, and
   * without `time:` when it has no timestamp.
   */
  toString(): string {
    const time = this.timestamp ? ` time:${this.timestamp.toISOString().replace('.000Z', 'Z')}` : '';
    const id = this.mark === undefined ? '' : ` id:${this.mark}`;
    return `stream:${this.streamId} pos:${this.position}${id}${time}`;
  }

  /** The text form, so that a cursor inside a JSON document is read back with `Cursor.parse`. */
  toJSON(): string {
    return this.toString();
  }

  /**
   * The cursor that `text` was made from.
   *
   * @throws {ValidationError} when `text` is not the text form of a cursor
   */
  static parse(text: string): Cursor {
    const match = typeof text === 'string' ? TEXT.exec(text) : null;
    const [, streamId, digits, before, time, behind] = match ?? [];
    const position = Number(digits);
    if (!match || !Number.isSafeInteger(position) || (before !== undefined && behind !== undefined)) {
      throw new ValidationError('cursor', `${shown(text)} is none: give a text such as "stream:orders pos:7".`);
    }
    const timestamp = time === undefined ? undefined : new Date(toTime(time, 'cursor'));
    return new Cursor(streamId, position, timestamp, before ?? behind);
  }
}
