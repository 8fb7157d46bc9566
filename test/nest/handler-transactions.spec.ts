import { expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  EventStore,
  EventStoreModule,
  OnStreamEvent,
  type RecordedEvent,
  type StreamEventContext,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { startApp } from '../support/servers/nest-app.js';
import { SharedMemory, type SharedMemoryClient } from '../support/engines/shared-memory-engine.js';

it('a handler writes in the transaction of its checkpoint, and what fails leaves nothing', async () => {
  const clock = new ManualClock();
  const memory = new SharedMemory(clock);

  @Injectable()
  class Billing {
    @OnStreamEvent('orders', { durable: 'billing', transaction: true, retry: { attempts: 2, initialDelayMs: 0 } })
    bill({ data }: RecordedEvent<string>, { transaction, attempt }: StreamEventContext<SharedMemoryClient>): void {
      transaction.insert(`${data} at attempt ${attempt}`);
      if (data === 'b' && attempt === 1) throw new Error('not yet');
    }
  }
  const app = await startApp({
    imports: [EventStoreModule.forRoot({ engine: memory.engine(), clock })],
    providers: [Billing],
  });

  await app.get(EventStore).append('orders', [
    { type: 'placed', data: 'a' },
    { type: 'placed', data: 'b' },
  ]);
  await app.get(StreamSubscriptions).whenSettled();

  expect(memory.rows).toEqual(['a at attempt 1', 'b at attempt 2']);
});
