import { ValidationError } from './errors.js';
import { shown } from './names.js';
import { readOnlyDate, ReadOnlyDate } from './read-only-date.js';
import { toTime } from './time.js';

/** Before the first event. */
export const START = 'start';

/** After the last event there is now. */
export const END = 'end';

/**
 * The last event a reader saw in one stream: where its next read goes on.
 *
 * A cursor is exclusive: reading from it gives the events after it. It is immutable, and its text form survives a file,
 * a column or a query string: `Cursor.parse(String(cursor))` gives an equal cursor.
 */
export class Cursor {
  /** When the event at `position` happened, if the cursor came from a read. For people; reading goes by `position`. */
  readonly timestamp: Date | undefined;

  /** @param position of the last event seen, from 1; 0 (the default) is before the first event */
  constructor(
    readonly streamId: string,
    readonly position = 0,
    timestamp?: Date,
  ) {
    this.timestamp =
      timestamp === undefined || timestamp instanceof ReadOnlyDate ? timestamp : readOnlyDate(timestamp.getTime());
    Object.freeze(this);
  }

  /** For example `stream:orders pos:7 time:2024-01-01T00:00:00Z`; without `time:` when the cursor has no timestamp. */
  toString(): string {
    const time = this.timestamp ? ` time:${this.timestamp.toISOString().replace('.000Z', 'Z')}` : '';
    return `stream:${this.streamId} pos:${this.position}${time}`;
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
    // A stream id may contain spaces and even " pos:", so the last one counts: the first group is greedy.
    const match = typeof text === 'string' ? /^stream:(.+) pos:(\d+)(?: time:(\S+))?$/su.exec(text) : null;
    const position = Number(match?.[2]);
    if (!match || !Number.isSafeInteger(position)) {
      throw new ValidationError('cursor', `${shown(text)} is none: give a text such as "stream:orders pos:7".`);
    }
    const timestamp = match[3] === undefined ? undefined : new Date(toTime(match[3], 'cursor'));
    return new Cursor(match[1], position, timestamp);
  }
}
