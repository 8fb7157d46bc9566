import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { EventStoreLifecycle } from './event-store.lifecycle.js';
import { EventStoreRegistry } from './event-store.registry.js';
import { EventStores } from './event-stores.js';
import { DeadLetters } from './dead-letters.js';
import { StreamEventCaller } from './stream-event.caller.js';
import { StreamSubscriptions } from './stream-subscriptions.js';
import { StreamEventExplorer } from './stream-event.explorer.js';

/**
 * What an application needs once, however many stores it has.
 *
 * Global, because Nest starts global modules first and ends them last: the stores are open while any other module works.
 */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    EventStoreRegistry,
    StreamEventCaller,
    StreamEventExplorer,
    StreamSubscriptions,
    DeadLetters,
    EventStores,
    EventStoreLifecycle,
  ],
  exports: [EventStoreRegistry, StreamSubscriptions, DeadLetters, EventStores],
})
export class EventStoreCoreModule {}
