import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { createEvent, EventStore, NO_STREAM } from 'nestjs-stream-store';
import { orderOf } from './order.js';

const PAUSE_BETWEEN_ORDERS_MS = 20;

/** Takes orders. An order is accepted when it would survive the death of this process: when a snapshot has it. */
@Injectable()
export class OrderDesk {
  constructor(private readonly store: EventStore) {}

  /** Takes the orders up to a number, beginning with the first that was not accepted yet. */
  async takeOrders(last: number, accepted: (number: number) => void): Promise<void> {
    const streams = await this.store.getStreams({ prefix: 'order-' });
    for (let number = streams.length + 1; number <= last; number++) {
      const placed = createEvent('order.placed', orderOf(number));
      await this.store.append(`order-${number}`, placed, { expectedRevision: NO_STREAM });
      await this.store.snapshot();
      accepted(number);
      await pause(PAUSE_BETWEEN_ORDERS_MS);
    }
  }
}
