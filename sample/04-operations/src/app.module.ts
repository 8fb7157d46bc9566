import { Module, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { EventStoreModule } from 'nestjs-stream-store';
import { AuditTrailModule } from 'nestjs-stream-store/audit';
import { EventStoreHttpModule } from 'nestjs-stream-store/http';
import { EventStoreOpenTelemetryModule } from 'nestjs-stream-store/opentelemetry';
import { EventStorePrometheusModule } from 'nestjs-stream-store/prometheus';
import { EventStoreHealthModule } from 'nestjs-stream-store/terminus';
import { Billing } from './billing.handler.js';
import { Customers } from './customers.js';
import { HealthController } from './health.controller.js';
import { OrdersController } from './orders.controller.js';
import { RequestSpans } from './tracing.js';

@Module({
  imports: [
    EventStoreModule.forRoot({ retentionDuration: '1h' }),
    // Records live longer than events, and are not bound by their limits.
    EventStoreModule.forRoot({ name: 'audit', maxEventsPerStream: 0, maxStreams: 0, retentionDuration: '365d' }),
    AuditTrailModule.register({ store: 'audit', hashChain: true, params: ['id'] }),
    TerminusModule,
    EventStoreHealthModule,
    EventStorePrometheusModule.forRoot({ endpoint: 'metrics' }),
    EventStoreOpenTelemetryModule.forRoot(),
    // Everybody may come in, as the sample listens on this computer only; elsewhere, give it guards.
    EventStoreHttpModule.register({ page: true, public: true, readOnly: false }),
  ],
  controllers: [OrdersController, HealthController],
  providers: [Billing, Customers],
})
export class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(RequestSpans).forRoutes(OrdersController);
  }
}
