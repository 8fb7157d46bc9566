import type { UpcastFailedError } from '../errors.js';
import type { RecordedEvent } from '../event.js';

/**
 * Events whose data could not be brought into its present shape. They stand in their page all the same, so that nobody
 * skips them unawares: whoever hands them out asks here first.
 */
const failures = new WeakMap<RecordedEvent, UpcastFailedError>();

/** The event as it was written, of those that are read as something else. */
const written = new WeakMap<RecordedEvent, RecordedEvent>();

export function noteUpcastFailure(event: RecordedEvent, failure: UpcastFailedError): void {
  failures.set(event, failure);
}

/** Why the event cannot be handed out; undefined when it can. */
export function upcastFailureOf(event: RecordedEvent): UpcastFailedError | undefined {
  return failures.get(event);
}

/** @throws {UpcastFailedError} for the first of the events that cannot be handed out */
export function throwIfUnreadable(events: readonly RecordedEvent[]): void {
  for (const event of events) {
    const failure = failures.get(event);
    if (failure) throw failure;
  }
}

export function noteWritten(event: RecordedEvent, asWritten: RecordedEvent): void {
  written.set(event, asWritten);
}

/** The event as it was written: the same, unless it is read as something else. */
export function asWritten(event: RecordedEvent): RecordedEvent {
  return written.get(event) ?? event;
}
