import { EventStoreRegistry } from '../nest/event-store.registry.js';
import { StreamSubscriptions } from '../nest/stream-subscriptions.js';
import { provided, type ProviderSource } from './provided.js';

/**
 * Resolves when all handlers of an application have handled everything appended so far, and with what they and the
 * rest of the application have appended meanwhile: when nothing moves any more.
 *
 * The application has to be initialised. A handler that waits for its next attempt is waited for: with a manual clock,
 * move that before you await this.
 *
 * @throws {HandlerStoppedError} when a handler is paused or has stopped
 * @throws {ValidationError} when the application has no event store
 */
export async function whenSettled(app: ProviderSource): Promise<void> {
  const subscriptions = provided(app, StreamSubscriptions);
  const stores = provided(app, EventStoreRegistry).all();
  const eventsAppended = async (): Promise<number> => {
    const stats = await Promise.all(stores.map((store) => store.stats()));
    return stats.reduce((sum, each) => sum + each.eventsAppended, 0);
  };
  let before: number;
  do {
    before = await eventsAppended();
    await subscriptions.whenSettled();
  } while ((await eventsAppended()) !== before);
}
