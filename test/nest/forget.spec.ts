import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  EventStore,
  EventStoreModule,
  memoryEngine,
  OnStreamEvent,
  type RecordedEvent,
  StreamSubscriptions,
  type SubscriptionTarget,
  ValidationError,
} from 'nestjs-stream-store';
import { numbered, rejectionOf } from '../support/events.js';
import { startApp, startFailure } from '../support/servers/nest-app.js';

function billing(target: SubscriptionTarget) {
  @Injectable()
  class Billing {
    readonly seen: unknown[] = [];

    @OnStreamEvent(target, { durable: 'billing' })
    bill({ data }: RecordedEvent): void {
      this.seen.push(data);
    }
  }
  return Billing;
}

describe('the checkpoint of a durable handler', () => {
  it('is forgotten on request when the application has the handler no more; the name begins anew', async () => {
    const imports = [EventStoreModule.forRoot({ engine: memoryEngine() })];
    const Billing = billing('orders');
    const first = await startApp({ imports, providers: [Billing] });
    await first.get(EventStore).append('orders', numbered(1, 2));
    await first.get(StreamSubscriptions).whenSettled();
    await first.close();

    const between = await startApp({ imports });
    const subscriptions = between.get(StreamSubscriptions);
    const answers = [await subscriptions.forget('billing'), await subscriptions.forget('billing')];
    await between.close();
    const last = await startApp({ imports, providers: [Billing] });
    await last.get(StreamSubscriptions).whenSettled();

    expect(answers).toEqual([true, false]);
    expect(last.get(Billing).seen).toEqual([1, 2]);
  });

  it('of a handler that the application has is not forgotten', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [billing('orders')] });

    const failure = await rejectionOf(app.get(StreamSubscriptions).forget('billing'));

    expect(failure).toBeInstanceOf(ValidationError);
    expect((failure as Error).message).toContain('"billing" is a handler of this application');
  });

  it('keeps the application from starting when the target counts in something else now', async () => {
    const imports = [EventStoreModule.forRoot({ engine: memoryEngine() })];
    await (await startApp({ imports, providers: [billing('orders')] })).close();

    const failure = await startFailure({ imports, providers: [billing({ all: true })] });

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toMatch(/Billing\.bill: .*"billing" is a position in stream "orders".*new name/);
  });
});
