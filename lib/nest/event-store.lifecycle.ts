import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { EventStoreRegistry } from './event-store.registry.js';
import { StreamEventExplorer } from './stream-event.explorer.js';
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
    } catch (error) {
      // Nest does not end what did not begin; what the stores hold, such as a directory, would stay theirs.
      await this.registry.closeOwn().catch(() => undefined);
      throw error;
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
