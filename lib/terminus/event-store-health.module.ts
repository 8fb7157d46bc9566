import { Module } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import { EventStoreCoreModule } from '../nest/event-store-core.module.js';
import { EventStoreHealthIndicator } from './event-store.health.js';

/** Lets a health controller inject the `EventStoreHealthIndicator`: import it beside `TerminusModule`. */
@Module({
  imports: [EventStoreCoreModule],
  providers: [HealthIndicatorService, EventStoreHealthIndicator],
  exports: [EventStoreHealthIndicator],
})
export class EventStoreHealthModule {}
