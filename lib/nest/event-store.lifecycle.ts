import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { describeTarget } from '../store/ports/subscription-target.js';
import { EventStoreRegistry } from './event-store.registry.js';
import { StreamEventExplorer, type StreamEventHandler } from './stream-event.explorer.js';
import { StreamSubscriptions } from './stream-subscriptions.js';

/**
 * Opens and closes the stores with the application, and runs the handlers in between.
 *
 * Handlers take their places in the log before they are called, which is when all modules are ready; so what modules
 * append while they start reaches the handlers too. They end before the HTTP server closes; the stores close last.
 */
@Injectable()
export class EventStoreLifecycle
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #logger = new Logger('EventStoreModule');

  constructor(
    @Inject(EventStoreRegistry) private readonly registry: EventStoreRegistry,
    @Inject(StreamEventExplorer) private readonly explorer: StreamEventExplorer,
    @Inject(StreamSubscriptions) private readonly subscriptions: StreamSubscriptions,
  ) {}

  async onModuleInit(): Promise<void> {
    this.registry.findStandIns();
    const handlers = await this.explorer.explore();
    try {
      await Promise.all(this.registry.own().map((store) => store.open()));
      await this.subscriptions.open(handlers);
      this.#announce(handlers);
    } catch (error) {
      // Nest does not end what did not begin; what the stores hold, such as a directory, would stay theirs.
      await this.registry.closeOwn().catch(() => undefined);
      throw error;
    }
  }

  /** Says once what there is, as Nest does of routes. */
  #announce(handlers: readonly StreamEventHandler[]): void {
    for (const { name, place } of this.registry.own()) this.#logger.log(`Store "${name}": ${place}`);
    for (const { name, store, target, options } of handlers) {
      const kind = options.durable === undefined ? 'live' : 'durable';
      this.#logger.log(`Handler ${name}: ${describeTarget(target)} of store "${store.name}", ${kind}`);
    }
  }

  onApplicationBootstrap(): void {
    this.subscriptions.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.subscriptions.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.registry.closeOwn();
  }
}
