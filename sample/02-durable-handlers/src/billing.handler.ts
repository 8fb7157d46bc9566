import { Injectable } from '@nestjs/common';
import { EventStore, OnStreamEvent, type RecordedEvent, type StreamEventContext } from 'nestjs-stream-store';
import type { OrderPlaced } from './order.js';
import { PaymentGateway } from './payment-gateway.js';

/** Bills every order that was placed, whatever happens in between. */
@Injectable()
export class Billing {
  constructor(
    private readonly store: EventStore,
    private readonly gateway: PaymentGateway,
  ) {}

  @OnStreamEvent(
    { streams: 'order-*', types: ['order.placed'] },
    { durable: 'billing', concurrency: 4, retry: { attempts: 3, initialDelayMs: 20 } },
  )
  async bill(
    { id, data, streamId, position }: RecordedEvent<OrderPlaced>,
    { attempt }: StreamEventContext,
  ): Promise<void> {
    this.gateway.charge(data.card, attempt);
    if (attempt > 1) await this.store.append('delayed-bills', { type: 'bill.delayed', data: { order: data.number } });
    // After a crash the event may be delivered again. The bill has an id of its own, which follows from the order's event, and says
    // the same each time: so the store recognises the second one after the same revision, and keeps the first.
    const bill = { type: 'bill.sent', id: `bill-of-${id}`, data: { order: data.number } };
    await this.store.append(`bill-${streamId}`, bill, { expectedRevision: position - 1 });
  }
}
