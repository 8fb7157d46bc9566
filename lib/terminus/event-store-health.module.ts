import { Module } from '@nestjs/common';
import { EventStoreCoreModule } from '../nest/event-store-core.module.js';
import { EventStoreHealthIndicator } from './event-store.health.js';
import { healthIndicatorsModule } from './terminus.js';

/** Lets a health controller inject the `EventStoreHealthIndicator`: import it beside `TerminusModule`. */
@Module({
  imports: [EventStoreCoreModule, healthIndicatorsModule()],
  providers: [EventStoreHealthIndicator],
  exports: [EventStoreHealthIndicator],
})
export class EventStoreHealthModule {}
