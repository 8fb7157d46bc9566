import { Injectable } from '@nestjs/common';
import { createEvent, EventStore, NO_STREAM, OnStreamEvent, type RecordedEvent } from 'nestjs-stream-store';
import { Bank } from './bank.js';
import type { OrderConfirmed } from './order.js';

/** Charges the card of every order that was confirmed. What the bank refuses becomes a dead letter. */
@Injectable()
export class Payments {
  constructor(
    private readonly store: EventStore,
    private readonly bank: Bank,
  ) {}

  @OnStreamEvent(
    { streams: 'order-*', types: ['order.confirmed'] },
    { durable: 'payments', concurrency: 4, retry: { attempts: 3, initialDelayMs: 5 } },
  )
  async charge({ id, streamId, data: { card, cents } }: RecordedEvent<OrderConfirmed>): Promise<void> {
    // The event may be delivered again, after a crash for example. Both the bank and the store know it by its id then.
    await this.bank.charge(card, cents, id);
    const received = createEvent('payment.received', { cents }, { id: `payment-of-${id}` });
    await this.store.append(streamId.replace('order-', 'payment-'), received, { expectedRevision: NO_STREAM });
  }
}
