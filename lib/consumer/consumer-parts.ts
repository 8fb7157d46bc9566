import type { EventStore } from '../store/event-store.js';
import type { SubscriptionStart } from '../store/ports/subscription.js';
import type { SubscriptionTarget } from '../store/values/target.js';
import type { PlaceMemory } from '../subscription/place-memory.js';
import type { CheckedConsumerOptions } from './consumer-options.js';
import type { DeadLetterStore } from './dead-letters/dead-letter-store.js';
import type { EventHandler } from './handling/handler-attempts.js';
import type { Tenure } from './leases/lease-holder.js';
import type { Partition } from './partitions/partition.js';

/** What a consumer is made of. */
export interface ConsumerParts {
  /** Names it for people: `durable`, or else the class and the method. */
  readonly name: string;
  readonly store: EventStore;
  readonly target: SubscriptionTarget;
  /** Where to begin when there is no checkpoint. */
  readonly from: SubscriptionStart;
  readonly options: CheckedConsumerOptions;
  readonly deadLetters: DeadLetterStore;
  readonly handle: EventHandler;
  /** The right to run the handler; undefined where nobody else could. */
  readonly tenure?: Tenure;
  /** Which of the streams are for this consumer; undefined when all are. */
  readonly partition?: Partition;
  /** The places that the consumers before it have come by; left out, there were none. */
  readonly places?: PlaceMemory;
}
