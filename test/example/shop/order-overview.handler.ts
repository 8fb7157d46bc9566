import { Injectable } from '@nestjs/common';
import { EventStore, OnStreamEvent, StreamSubscriptions } from 'nestjs-stream-store';
import type { OrderEvent, PaymentEvent } from './order.js';
import { type OrderRow, OrderTable } from './order-table.js';

const TYPES = ['order.*', 'payment.*'];

/** Keeps the table of orders up to date: the read model of the shop. */
@Injectable()
export class OrderOverview {
  constructor(
    private readonly store: EventStore,
    private readonly subscriptions: StreamSubscriptions,
    private readonly table: OrderTable,
  ) {}

  @OnStreamEvent({ all: true, types: TYPES }, { durable: 'order-overview' })
  note(event: OrderEvent | PaymentEvent): void {
    // An event that is delivered again is in the table already.
    if (event.globalPosition <= this.table.position) return;
    apply(event, this.table.rows);
    this.table.position = event.globalPosition;
  }

  /** Makes the table anew from history, as when it gets another column. Meanwhile the old one is there, and orders are taken. */
  async rebuild(): Promise<void> {
    await this.subscriptions.pause('order-overview');
    const rows = new Map<string, OrderRow>();
    let position = 0;
    for await (const event of this.store.replay(undefined, undefined, { filter: { types: TYPES } })) {
      apply(event as OrderEvent | PaymentEvent, rows);
      position = Math.max(position, event.globalPosition);
    }
    Object.assign(this.table, { rows, position });
    await this.subscriptions.resume('order-overview');
  }
}

function apply({ streamId, type, data }: OrderEvent | PaymentEvent, rows: Map<string, OrderRow>): void {
  const id = streamId.replace(/^(order|payment)-/, '');
  const row = rows.get(id)!;
  switch (type) {
    case 'order.placed':
      rows.set(id, { customer: data.customer, cents: 0, state: 'open' });
      break;
    case 'order.item-added':
      rows.set(id, { ...row, cents: row.cents + data.cents });
      break;
    case 'order.confirmed':
      rows.set(id, { ...row, state: 'confirmed' });
      break;
    case 'order.cancelled':
      rows.set(id, { ...row, state: 'cancelled' });
      break;
    case 'payment.received':
      rows.set(id, { ...row, state: 'paid' });
      break;
  }
}
