import assert from 'node:assert/strict';
import type { ActOf, EventsOf } from '../event-sourcing/aggregates.js';
import type { Act } from '../event-sourcing/aggregate-definition.js';
import { type AggregateDeclaration, type DeclaredBy, definitionOf } from '../event-sourcing/definition-of.js';
import type { EventDraftOf } from '../event-sourcing/event-map.js';
import { Recording } from '../event-sourcing/recording.js';
import { applied } from '../event-sourcing/state-fold.js';
import { acceptEvent } from '../store/services/event-validator.js';
import { systemClock } from '../store/values/clock.js';
import { ValidationError } from '../store/values/errors.js';
import { createEventId } from '../store/values/event-id.js';
import type { NewEvent, RecordedEvent } from '../store/values/event.js';
import { isPromise, type MaybePromise } from '../store/values/maybe-promise.js';
import { recordedEvent } from '../store/values/recorded-event.js';

/** An error that is expected: its class, one like it, a part of its message, or a pattern of it. */
export type ExpectedError = (abstract new (...args: never[]) => Error) | Error | RegExp | string;

/** What an act is to do to an aggregate that has a past. */
export interface Given<X> {
  /** @param act what `update` would get: it decides, and records */
  when<Decide extends ActOf<X>>(
    act: Decide,
  ): Expectation<EventsOf<X>, Decide extends (...args: never[]) => infer Answer ? Answer : unknown>;
}

export interface Expectation<Events, Answer> {
  /**
   * Expects events, with their types and data and, where it is given, their metadata: all of them, in this order; or an error.
   *
   * @returns a promise when the act is asynchronous, which has to be awaited
   * @throws {AssertionError} when it went otherwise
   */
  then(
    expected: readonly EventDraftOf<Events>[] | ExpectedError,
  ): Answer extends PromiseLike<unknown> ? Promise<void> : void;
}

/** What an act has led to. */
type Outcome = { readonly events: readonly NewEvent[] } | { readonly error: unknown };

/**
 * Tests what an aggregate decides, without a store: `given(Account, events).when((account) => …).then(events)`.
 *
 * The events of the past are applied as if they had been loaded; then the act is called, as by `update`.
 *
 * @param declaration a class with `@Aggregate`, or a decider
 * @param events what has happened before, by type and data; default nothing
 * @throws {ValidationError} when the declaration or an event is not acceptable
 */
export function given<Declaration extends AggregateDeclaration>(
  declaration: Declaration,
  events: readonly (EventDraftOf<EventsOf<DeclaredBy<Declaration>>> | RecordedEvent)[] = [],
): Given<DeclaredBy<Declaration>> {
  const definition = definitionOf(declaration, 'given');
  const streamId = `${definition.category}-given`;
  const past = events.map((event, index) => happened(event as NewEvent<unknown>, streamId, index));
  return {
    when: (act) => {
      const state = past.reduce((before, event) => applied(definition, before, event), definition.initial());
      const { now } = systemClock;
      const place = { streamId, revision: past.length, metadata: undefined, now, idOf: () => createEventId(now()) };
      const recording = new Recording(definition, state, place);
      const outcome = outcomeOf(recording, () => definition.decide(recording, act as Act));
      // What waits for nothing is told at once, also to those who do not wait for the answer.
      const then = (expected: unknown, reject?: (error: Error) => void): MaybePromise<void> => {
        if (isAwaited(expected)) return reject?.(new ValidationError('when', 'say what is expected: .then([…]).'));
        return isPromise(outcome) ? outcome.then((late) => check(late, expected)) : check(outcome, expected);
      };
      return { then } as never;
    },
  };
}

function outcomeOf<State>(recording: Recording<State>, decide: () => unknown): MaybePromise<Outcome> {
  const failed = (error: unknown): Outcome => ({ error });
  const ended = (): Outcome => ({ events: recording.end() });
  try {
    const answer = decide();
    return isPromise(answer) ? Promise.resolve(answer).then(ended).catch(failed) : ended();
  } catch (error) {
    return failed(error);
  }
}

/** Whether somebody has awaited an expectation that says nothing yet: then a promise hands over what to call. */
function isAwaited(expected: unknown): boolean {
  return typeof expected === 'function' && !isErrorClass(expected);
}

function isErrorClass(value: unknown): value is abstract new (...args: never[]) => Error {
  const prototype = typeof value === 'function' ? (value.prototype as object | undefined) : undefined;
  return prototype !== undefined && 'message' in prototype;
}

function check(outcome: Outcome, expected: unknown): void {
  if (Array.isArray(expected)) checkEvents(outcome, expected as NewEvent<unknown>[]);
  else checkError(outcome, expected as ExpectedError);
}

function checkEvents(outcome: Outcome, expected: readonly NewEvent<unknown>[]): void {
  if ('error' in outcome) {
    const message = `events were expected, and it threw: ${messageIn(outcome.error)}`;
    throw Object.assign(new assert.AssertionError({ message, actual: outcome.error, expected }), {
      cause: outcome.error,
    });
  }
  const wanted = expected.map((event, index) => shownAs(happened(event, 'expected', index), event));
  const actual = outcome.events.map((event, index) => shownAs(event, expected[index]));
  assert.deepStrictEqual(actual, wanted);
}

/** What is compared of an event: metadata only where something is expected of it. */
function shownAs(
  { type, data, metadata }: NewEvent,
  expected: NewEvent<unknown> | undefined,
): Readonly<Record<string, unknown>> {
  return { type, data, ...(expected?.metadata !== undefined && { metadata }) };
}

function checkError(outcome: Outcome, expected: ExpectedError): void {
  if ('events' in outcome) {
    const actual = outcome.events.map(({ type, data }) => ({ type, data }));
    const message = `an error was expected, and it recorded ${JSON.stringify(actual)}`;
    throw new assert.AssertionError({ message, actual, expected });
  }
  const { error } = outcome;
  const isExpected =
    typeof expected === 'string'
      ? messageIn(error).includes(expected)
      : expected instanceof RegExp
        ? expected.test(messageIn(error))
        : isErrorClass(expected)
          ? error instanceof expected
          : isAlike(error, expected);
  if (isExpected) return;
  const message = `another error was expected than ${nameOf(error)}: ${messageIn(error)}`;
  throw Object.assign(new assert.AssertionError({ message, actual: error, expected }), { cause: error });
}

function isAlike(error: unknown, expected: Error): boolean {
  return error instanceof Error && error.constructor === expected.constructor && error.message === expected.message;
}

function messageIn(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error;
}

/** An event as it would have been read. */
function happened(event: NewEvent<unknown>, streamId: string, index: number): RecordedEvent {
  const now = systemClock.now();
  // What was recorded has more than an event to append.
  const { type, data, id = createEventId(now), timestamp = now, metadata } = event;
  const accepted = acceptEvent({ type, data: data, id, timestamp, metadata }, `events[${index}].`);
  return recordedEvent({
    ...{ id, type, data: accepted.data, metadata: accepted.metadata, timestamp: accepted.timestamp! },
    ...{ streamId, position: index + 1, globalPosition: index + 1, recordedAt: now },
  });
}
