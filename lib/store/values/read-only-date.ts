/**
 * A `Date` that cannot be changed.
 *
 * `Object.freeze` does not reach the time inside a `Date`, and events are shared by all their readers: one reader calling
 * `event.timestamp.setHours(0)` would change the event for everybody. Copy it with `new Date(event.timestamp)` to change it.
 */
export class ReadOnlyDate extends Date {}

function refuse(): never {
  throw new TypeError('The dates of an event are read-only: copy one with new Date(date) to change it.');
}

for (const name of Object.getOwnPropertyNames(Date.prototype)) {
  if (name.startsWith('set')) Object.defineProperty(ReadOnlyDate.prototype, name, { value: refuse });
}

// Assertion libraries compare constructors: to them, and to everybody else, this is a Date.
Object.defineProperty(ReadOnlyDate.prototype, 'constructor', { value: Date });

Object.freeze(ReadOnlyDate.prototype);

/** @param ms since 1970 */
export function readOnlyDate(ms: number): Date {
  return Object.freeze(new ReadOnlyDate(ms));
}
