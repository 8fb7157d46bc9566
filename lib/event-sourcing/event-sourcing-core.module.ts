import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { EventStoreCoreModule } from '../nest/event-store-core.module.js';
import { AggregateRegistry } from './aggregate-registry.js';

/** What an application needs once, however many modules have aggregates. */
@Global()
@Module({
  imports: [DiscoveryModule, EventStoreCoreModule],
  providers: [AggregateRegistry],
  exports: [AggregateRegistry],
})
export class EventSourcingCoreModule {}
