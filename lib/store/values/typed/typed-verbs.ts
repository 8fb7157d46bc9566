import type { NewEvent, RecordedEvent } from '../event.js';
import type { SubscriptionTarget } from '../target.js';
import type { AnyEventDefinitions, EventOf, EVENTS, NewEventOf } from './event-definitions.js';
import type { StreamId } from './stream-template.js';

/** What may be appended to a stream: its own events when the id tells the compiler which these are, else any. */
export type AppendableTo<Id extends string> =
  Id extends StreamId<infer Definitions> ? NewEventOf<Definitions> : NewEvent<unknown>;

/** What is read from a stream: the events of the definitions that are named, else those that the id tells of, else any. */
export type ReadFrom<
  Definitions extends AnyEventDefinitions | undefined,
  Id extends string,
> = Definitions extends AnyEventDefinitions
  ? EventOf<Definitions>
  : Id extends StreamId<infer Known>
    ? EventOf<Known>
    : RecordedEvent;

/** The events that a target tells the compiler of; never when it tells nothing. */
export type KnownEvents<Target> =
  Target extends StreamId<infer Known>
    ? EventOf<Known>
    : Target extends { readonly [EVENTS]: infer Event extends RecordedEvent<unknown> }
      ? Event
      : never;

/** What a subscription hands out: the events of the definitions that are named, else those of the target, else any. */
export type ReceivedFrom<
  Definitions extends AnyEventDefinitions | undefined,
  Target extends SubscriptionTarget,
> = Definitions extends AnyEventDefinitions
  ? EventOf<Definitions>
  : [KnownEvents<Target>] extends [never]
    ? RecordedEvent
    : KnownEvents<Target>;
