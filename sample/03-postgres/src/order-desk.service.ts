import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { createEvent, EventStore } from 'nestjs-stream-store';
import { Instance } from './instance.js';

const CUSTOMERS = 5;
const PAUSE_BETWEEN_ORDERS_MS = 30;

/** Takes orders, in every instance. */
@Injectable()
export class OrderDesk {
  constructor(
    private readonly store: EventStore,
    private readonly instance: Instance,
  ) {}

  async takeOrders(closing: AbortSignal): Promise<void> {
    for (let number = 0; !closing.aborted; number++) {
      const order = createEvent('order.placed', { takenBy: this.instance.name });
      await this.store.append(`customer-${number % CUSTOMERS}`, order);
      this.instance.tell({ taken: order.id! });
      await pause(PAUSE_BETWEEN_ORDERS_MS);
    }
  }
}
