import type { NewEvent } from '../event.js';
import { toJsonText } from '../json-text.js';
import type { EventType } from './event-type.js';

/** What was checked, and what its JSON text was then. */
interface Checked {
  readonly type: EventType;
  readonly text: string;
}

/**
 * Data that a schema has answered: it is not asked again, as it may refuse its own answer, such as a number that it has made
 * of a text. Noted by the data itself, so that a copy of the event with other metadata keeps the note; by the event where
 * the data is no object.
 */
const checked = new WeakMap<object, Checked>();

export function noteChecked(event: NewEvent<unknown>, type: EventType, text: string): void {
  checked.set(keyOf(event), { type, text });
}

/**
 * The JSON text of an event's data, when that was checked as data of this type, and has not changed since.
 *
 * @param field names the data in errors
 */
export function wasChecked(event: NewEvent<unknown>, type: EventType, field: string): string | undefined {
  const noted = checked.get(keyOf(event));
  if (noted?.type !== type) return undefined;
  const text = toJsonText(event.data, field);
  return text === noted.text ? text : undefined;
}

function keyOf(event: NewEvent<unknown>): object {
  return typeof event.data === 'object' && event.data !== null ? event.data : event;
}
