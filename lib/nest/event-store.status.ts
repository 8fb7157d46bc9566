import { Inject, Injectable } from '@nestjs/common';
import type { EventStore } from '../store/event-store.js';
import type { Stats } from '../store/values/stream-info.js';
import { withinTime } from '../store/services/time-limit.js';
import { EventStoreRegistry } from './event-store.registry.js';
import { StreamSubscriptions, type StreamSubscriptionStatus } from './stream-subscriptions.js';

/** What a store and its handlers are like at one moment. */
export interface EventStoreStatus {
  readonly stats: Stats;
  readonly handlers: readonly StreamSubscriptionStatus[];
  /** How many dead letters wait, by the name of the durable handler; also of handlers that are no more. */
  readonly deadLetters: ReadonlyMap<string, number>;
}

/** Finds out how the stores of the application are doing; for those who tell it on, such as health checks and metrics. */
@Injectable()
export class EventStoreStatusReader {
  constructor(
    @Inject(EventStoreRegistry) private readonly registry: EventStoreRegistry,
    @Inject(StreamSubscriptions) private readonly subscriptions: StreamSubscriptions,
  ) {}

  /** The stores there are. */
  stores(): EventStore[] {
    return this.registry.all();
  }

  /** Whether something that is no store is in the place of the store of this name; of any, when it is left out. */
  isReplaced(name: string | undefined): boolean {
    return this.registry.isReplaced(name);
  }

  /** Asks the engine. @throws what that fails with; also when it takes longer than `timeoutMs` */
  read(store: EventStore, timeoutMs: number): Promise<EventStoreStatus> {
    return withinTime(
      store.clock,
      timeoutMs,
      async () => {
        const [stats, handlers, deadLetters] = await Promise.all([
          store.stats(),
          this.subscriptions.listOf(store),
          this.subscriptions.deadLettersOf(store).counts(),
        ]);
        return { stats, handlers, deadLetters };
      },
      () => new Error(`the store did not answer within ${timeoutMs} ms`),
    );
  }
}
