import { NestFactory } from '@nestjs/core';
import { DeadLetters, EventStore, StreamSubscriptions } from 'nestjs-stream-store';
import { AppModule } from './app.module.js';
import { OrderDesk } from './order-desk.service.js';
import type { BillSent } from './order.js';
import { PaymentGateway } from './payment-gateway.js';

/** What a desk that was not killed found in the end. */
export interface Day {
  readonly orders: readonly number[];
  readonly bills: readonly BillSent[];
  /** The orders that were not billed at the first attempt, rising. */
  readonly retried: readonly number[];
  /** The orders whose events are dead letters, with the reason. */
  readonly putAside: readonly { readonly order: string; readonly reason: string }[];
  /** How many dead letters were left after the card was corrected and they were retried. */
  readonly leftAside: number;
}

/** What the desk tells whoever started it. */
export type DeskMessage = { readonly accepted: number } | { readonly day: Day };

/** Runs the desk in this process, until it has taken and billed its orders. */
export async function runDesk(directory: string, orders: number, tell: (message: DeskMessage) => void): Promise<void> {
  const app = await NestFactory.createApplicationContext(AppModule.keepingOrdersIn(directory), { logger: false });
  await app.get(OrderDesk).takeOrders(orders, (accepted) => tell({ accepted }));
  await app.get(StreamSubscriptions).whenSettled();

  const letters = await app.get(DeadLetters).list({ subscription: 'billing' });
  app.get(PaymentGateway).accept('expired');
  for (const { id } of letters) await app.get(DeadLetters).retry(id);

  tell({
    day: {
      ...(await ordersAndBills(app.get(EventStore))),
      putAside: letters.map(({ event, error }) => ({ order: event.streamId, reason: error.message })),
      leftAside: await app.get(DeadLetters).count(),
    },
  });
  await app.close();
}

async function ordersAndBills(store: EventStore): Promise<Pick<Day, 'orders' | 'bills' | 'retried'>> {
  const { events } = await store.readAll({ limit: 0 });
  const dataOf = <Data>(type: string): Data[] =>
    events.filter((event) => event.type === type).map(({ data }) => data as Data);
  return {
    orders: dataOf<{ number: number }>('order.placed').map(({ number }) => number),
    bills: dataOf<BillSent>('bill.sent'),
    retried: [...new Set(dataOf<BillSent>('bill.delayed').map(({ order }) => order))].sort((a, b) => a - b),
  };
}
