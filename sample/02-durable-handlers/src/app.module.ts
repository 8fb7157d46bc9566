import { type DynamicModule, Module } from '@nestjs/common';
import { EventStoreModule, memoryEngine } from 'nestjs-stream-store';
import { Billing } from './billing.handler.js';
import { OrderDesk } from './order-desk.service.js';
import { PaymentGateway } from './payment-gateway.js';

@Module({ providers: [OrderDesk, Billing, PaymentGateway] })
export class AppModule {
  /** @param snapshotDirectory where the orders survive the process */
  static keepingOrdersIn(snapshotDirectory: string): DynamicModule {
    return { module: AppModule, imports: [EventStoreModule.forRoot({ engine: memoryEngine({ snapshotDirectory }) })] };
  }
}
