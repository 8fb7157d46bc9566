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

/**
 * The event stores of the application, for integrations such as metrics and health: each store as it comes, and how all of
 * them are doing. A module that imports `EventStoreCoreModule` can inject it.
 */
@Injectable()
export class EventStores {
  constructor(
    @Inject(EventStoreRegistry) private readonly registry: EventStoreRegistry,
    @Inject(StreamSubscriptions) private readonly subscriptions: StreamSubscriptions,
  ) {}

  /** The stores there are; complete when all modules are made, so from `onModuleInit` on. */
  all(): EventStore[] {
    return this.registry.all();
  }

  /**
   * Shows `visit` every store: those there are at once, and each that comes later before it is opened. So an integration
   * sees the first append, whatever was imported first.
   *
   * @param visit also told whether a test has put the store in the place of one that was configured: such a store may serve
   *   several applications
   */
  each(visit: (store: EventStore, isStandIn: boolean) => void): void {
    this.registry.each(visit);
  }

  /**
   * Whether a test has put something that is no store in the place of the store of this name.
   *
   * @param name left out, of any store
   */
  isReplaced(name: string | undefined): boolean {
    return this.registry.isReplaced(name);
  }

  /** @param asker who needs a store, for the error @throws {ValidationError} when the application has none */
  checkNotEmpty(asker: string): void {
    this.registry.checkNotEmpty(asker);
  }

  /**
   * Asks a store, its engine and its handlers how they are doing.
   *
   * @param timeoutMs how long that may take, in milliseconds
   * @throws what the engine fails with; an `Error` when it takes longer
   */
  statusOf(store: EventStore, timeoutMs: number): Promise<EventStoreStatus> {
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
