import { type DynamicModule, Module } from '@nestjs/common';
import { EventStoreModule, type StorageEngine } from 'nestjs-stream-store';
import { Bank } from './bank.js';
import { OrderOverview } from './order-overview.handler.js';
import { OrderReport } from './order-report.service.js';
import { OrderTable } from './order-table.js';
import { Orders } from './orders.service.js';
import { Payments } from './payments.handler.js';

/** What is there before the shop starts and after it has closed. */
export interface Surroundings {
  readonly bank: Bank;
  readonly table: OrderTable;
}

@Module({ providers: [Orders, Payments, OrderOverview, OrderReport] })
export class ShopModule {
  /** @param engine where events are kept: the one line that differs between memory, SQLite and PostgreSQL */
  static on(engine: StorageEngine, { bank, table }: Surroundings): DynamicModule {
    return {
      module: ShopModule,
      imports: [EventStoreModule.forRoot({ engine })],
      providers: [
        { provide: Bank, useValue: bank },
        { provide: OrderTable, useValue: table },
      ],
    };
  }
}
