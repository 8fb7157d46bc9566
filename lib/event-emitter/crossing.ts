import type { RecordedEvent } from '../store/values/event.js';
import type { StreamEventContext } from '../consumer/handling/handler-attempts.js';

// An event crosses once, or two rules could send it to and fro for ever. Each side says of what it hands over where it
// comes from, in a place that goes with it:
//
// - A stored event carries the mark in its metadata. No bridge emits an event that has it: neither the one that appended
//   it, nor another, nor the same one after a restart. So whatever a bridge appends ends there, and there is no circle.
// - An emission carries the mark in its third argument, which is made anew for each. No bridge appends it to the store it
//   comes from. To another store it may be appended; there it has the first mark, and ends.
//
// The mark of an emission is not in an AsyncLocalStorage: a listener that emits something of its own runs in the same
// asynchronous context, and what it emits has to be appended.

/** The member of the metadata that says under which name the emitter had the event. */
const EMITTED_AS = '$emittedAs';

/** The member of an emission's third argument that says under which name the bridge emitted it. */
const REEMITTED_AS = Symbol('REEMITTED_AS');

interface Reemission extends StreamEventContext {
  readonly [REEMITTED_AS]: string;
}

/** The metadata of an event that comes from the emitter. */
export function markedMetadata<Values extends object>(metadata: Values | undefined, eventName: string): Values {
  return { ...metadata, [EMITTED_AS]: eventName } as Values;
}

/** Whether a bridge has appended the event. */
export function comesFromEmitter({ metadata }: RecordedEvent): boolean {
  return Object.hasOwn(metadata, EMITTED_AS);
}

/** The third argument of an emission that comes from the store that the context names. */
export function markedContext(context: StreamEventContext, eventName: string): StreamEventContext {
  const marked: Reemission = { ...context, [REEMITTED_AS]: eventName };
  return Object.freeze(marked);
}

/**
 * Whether a bridge has emitted this, of the store's events. A listener that passes its arguments on under another name
 * has emitted something of its own.
 */
export function comesFromStore(store: string, eventName: string, args: readonly unknown[]): boolean {
  const mark = args[2] as Partial<Reemission> | null | undefined;
  return mark?.[REEMITTED_AS] === eventName && mark.store === store;
}
