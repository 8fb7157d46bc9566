import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import {
  Body,
  Controller,
  Injectable,
  Module,
  Param,
  Post,
  type MiddlewareConsumer,
  type NestMiddleware,
  type NestModule,
} from '@nestjs/common';
import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule, memoryEngine, OnStreamEvent, type StorageEngine } from 'nestjs-stream-store';
import { EventStoreOpenTelemetryModule } from 'nestjs-stream-store/opentelemetry';
import { whenSettled } from 'nestjs-stream-store/testing';
import { aroundEngine } from '../support/engines/around-engine.js';
import { closedAfterTest } from '../support/servers/nest-app.js';
import { useTracing } from './telemetry.js';

const { span } = useTracing();

/** Does for a request what the instrumentation of an HTTP server does. */
@Injectable()
class ServerSpans implements NestMiddleware {
  use(request: IncomingMessage, response: { on(event: 'finish', listener: () => void): void }, next: () => void): void {
    const caller = propagation.extract(context.active(), request.headers);
    const active = trace.getTracer('http').startSpan(`${request.method} /orders`, { kind: SpanKind.SERVER }, caller);
    response.on('finish', () => active.end());
    context.with(trace.setSpan(caller, active), next);
  }
}

@Controller('orders')
class OrdersController {
  constructor(private readonly store: EventStore) {}

  @Post(':id')
  async place(@Param('id') id: string, @Body() order: object) {
    const { revision } = await this.store.append(`order-${id}`, { type: 'order.placed', data: order });
    return { revision };
  }
}

@Injectable()
class Billing {
  readonly billed: string[] = [];

  @OnStreamEvent({ streams: 'order-*' }, { durable: 'billing' })
  bill({ streamId }: { streamId: string }): void {
    this.billed.push(streamId);
  }
}

@Module({ controllers: [OrdersController] })
class OrdersModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(ServerSpans).forRoutes(OrdersController);
  }
}

async function serve(engine: StorageEngine, providers: (typeof Billing)[]) {
  const testing = await Test.createTestingModule({
    imports: [EventStoreModule.forRoot({ engine }), EventStoreOpenTelemetryModule.forRoot(), OrdersModule],
    providers,
  }).compile();
  const app = closedAfterTest(testing.createNestApplication());
  await app.listen(0, '127.0.0.1');
  return { app, url: await app.getUrl() };
}

describe('an HTTP request, the append that it makes, and the handler of the event', () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const headers = { 'content-type': 'application/json', traceparent: `00-${traceId}-b7ad6b7169203331-01` };
  const request = { method: 'POST', headers, body: '{"euros":20}' };

  it('are one trace, from the caller on', async () => {
    const { app, url } = await serve(memoryEngine(), [Billing]);
    const answer = await fetch(`${url}/orders/42`, request);
    await answer.json();
    await whenSettled(app);

    const [server, append, handler] = ['POST /orders', 'append order', 'process billing'].map(span);
    expect([server, append, handler].map((each) => each.spanContext().traceId)).toEqual([traceId, traceId, traceId]);
    expect(server.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(append.parentSpanContext?.spanId).toBe(server.spanContext().spanId);
    expect(handler.parentSpanContext?.spanId).toBe(append.spanContext().spanId);
    expect(handler.links.map(({ context }) => context.spanId)).toEqual([append.spanContext().spanId]);
  });

  it('are one trace also when the handler comes after a restart', async () => {
    const disk = memoryEngine();
    let isOpen = false;
    // The memory engine keeps what it has while it lives, but must be opened once only.
    const engine = () => aroundEngine((verb, ask) => (verb === 'open' && isOpen ? undefined : ask()), disk);
    const before = await serve(engine(), []);
    await (await fetch(`${before.url}/orders/42`, request)).json();
    await before.app.close();
    isOpen = true;
    const after = await serve(engine(), [Billing]);
    await whenSettled(after.app);

    expect(after.app.get(Billing).billed).toEqual(['order-42']);
    expect(span('process billing').spanContext().traceId).toBe(traceId);
    expect(span('process billing').parentSpanContext?.spanId).toBe(span('append order').spanContext().spanId);
  });
});
