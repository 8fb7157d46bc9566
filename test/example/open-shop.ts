import { DeadLetters, EventStore, type StorageEngine, StreamSubscriptions } from 'nestjs-stream-store';
import { whenSettled } from 'nestjs-stream-store/testing';
import { startApp } from '../support/servers/nest-app.js';
import { Bank } from './shop/bank.js';
import { OrderOverview } from './shop/order-overview.handler.js';
import { OrderReport } from './shop/order-report.service.js';
import { OrderTable } from './shop/order-table.js';
import { Orders } from './shop/orders.service.js';
import { ShopModule, type Surroundings } from './shop/shop.module.js';

/** Opens the shop; it is closed when the test is over. @param engineHere makes an engine, on the same place each time */
export async function openShop(
  engineHere: () => StorageEngine,
  surroundings: Surroundings = { bank: new Bank(), table: new OrderTable() },
) {
  const app = await startApp({ imports: [ShopModule.on(engineHere(), surroundings)] });
  return {
    ...surroundings,
    orders: app.get(Orders),
    overview: app.get(OrderOverview),
    report: app.get(OrderReport),
    store: app.get(EventStore),
    handlers: app.get(StreamSubscriptions),
    deadLetters: app.get(DeadLetters),
    /** Resolves when the handlers have handled everything. */
    settled: () => whenSettled(app),
    /** Closes the shop and opens it again, as a deployment does. */
    reopened: async () => {
      await app.close();
      return openShop(engineHere, surroundings);
    },
  };
}

export type Shop = Awaited<ReturnType<typeof openShop>>;
