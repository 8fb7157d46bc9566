import { Injectable } from '@nestjs/common';
import { OnStreamEvent, type RecordedEvent, type StreamEventContext } from 'nestjs-stream-store';

/** Charges cards. Its bank is busy now and then, and does not know cards that end with four zeros. */
@Injectable()
export class Billing {
  @OnStreamEvent(
    { streams: 'order-*', types: ['order.placed'] },
    { durable: 'billing', retry: { attempts: 3, initialDelayMs: 5 } },
  )
  charge({ data, globalPosition }: RecordedEvent<{ cardEndsWith: string }>, { attempt }: StreamEventContext): void {
    if (data.cardEndsWith === '0000') throw new Error('There is no such card.');
    if (globalPosition % 2 === 0 && attempt === 1) throw new Error('The bank is busy.');
  }
}
