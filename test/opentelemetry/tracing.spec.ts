import { describe, expect, it } from '@jest/globals';
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { EventStore, EventStoreModule, OnStreamEvent, openEventStore, type RecordedEvent } from 'nestjs-stream-store';
import {
  EventStoreOpenTelemetryModule,
  openTelemetryTracing,
  type EventStoreOpenTelemetryOptions,
} from 'nestjs-stream-store/opentelemetry';
import { whenSettled } from 'nestjs-stream-store/testing';
import * as copied from '../../lib/opentelemetry/semantic-conventions.js';
import { rejectionOf } from '../support/events.js';
import { startApp } from '../support/servers/nest-app.js';
import { useTracing } from './telemetry.js';
import { internalsOf } from '../../lib/store/store-internals.js';

const { spans, span } = useTracing();

class Billing {
  readonly traces: (string | undefined)[] = [];

  @OnStreamEvent({ streams: '*' }, { durable: 'billing', retry: { attempts: 3, initialDelayMs: 0 } })
  bill({ data }: RecordedEvent<number>, { attempt }: { attempt: number }): void {
    this.traces.push(trace.getActiveSpan()?.spanContext().traceId);
    if (attempt <= data) throw new TypeError('the card is unreadable');
  }
}

async function tracedApp(options: EventStoreOpenTelemetryOptions = {}) {
  const app = await startApp({
    imports: [EventStoreModule.forRoot(), EventStoreOpenTelemetryModule.forRoot(options)],
    providers: [Billing],
  });
  return { app, store: app.get(EventStore), billing: app.get(Billing) };
}

/** Runs something within a span, as what an HTTP request does runs within the span of the request. */
function within<T>(name: string, work: () => Promise<T>): Promise<T> {
  return trace.getTracer('test').startActiveSpan(name, async (active) => {
    try {
      return await work();
    } finally {
      active.end();
    }
  });
}

describe('an append', () => {
  it('is a span of a producer, with the attributes of the messaging conventions', async () => {
    const { app, store } = await tracedApp();
    await within('POST /orders', () => store.append('order-42', { type: 'order.placed', data: 0 }));
    await whenSettled(app);

    const append = span('append order');
    expect(append.kind).toBe(SpanKind.PRODUCER);
    expect(append.parentSpanContext?.spanId).toBe(span('POST /orders').spanContext().spanId);
    expect(append.attributes).toEqual({
      [conventions.ATTR_MESSAGING_SYSTEM_NAME]: 'nestjs-stream-store',
      [conventions.ATTR_MESSAGING_OPERATION_NAME]: 'append',
      [conventions.ATTR_MESSAGING_OPERATION_TYPE]: conventions.MESSAGING_OPERATION_TYPE_VALUE_SEND,
      [conventions.ATTR_MESSAGING_DESTINATION_NAME]: 'order-42',
      [conventions.ATTR_MESSAGING_DESTINATION_TEMPLATE]: 'order',
      'event_store.name': 'memory-store',
    });
    expect(append.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('says how many events a batch has', async () => {
    const { store } = await tracedApp();
    await store.append('order-1', [
      { type: 'a', data: 0 },
      { type: 'b', data: 0 },
    ]);

    expect(span('append order').attributes[conventions.ATTR_MESSAGING_BATCH_MESSAGE_COUNT]).toBe(2);
  });

  it('that is refused is a span with the error', async () => {
    const { store } = await tracedApp();
    await rejectionOf(store.append('order-1', { type: 'a' }, { expectedRevision: 5 }));

    const { status, attributes, events } = span('append order');
    expect(status).toMatchObject({ code: SpanStatusCode.ERROR, message: expect.stringContaining('is at revision 0') });
    expect(attributes[conventions.ATTR_ERROR_TYPE]).toBe('WRONG_EXPECTED_REVISION');
    expect(events.map(({ name }) => name)).toEqual(['exception']);
  });

  it.each([
    ['order-42', 'append order'],
    ['audit-2024-01-01', 'append audit'],
    ['orders', 'append'],
    ['3f2a9c1e-1111-4222-8333-444455556666', 'append'],
    ['tenant7-order-1', 'append'],
  ])('to %s is named "%s"', async (streamId, name) => {
    const { store } = await tracedApp();
    await store.append(streamId, { type: 'a', data: 0 });

    expect(spans().some((ended) => ended.name === name)).toBe(true);
  });

  it('is named by the category that the application gives', async () => {
    const { store } = await tracedApp({ streamCategory: (streamId) => streamId.split(':')[0] });
    await store.append('tenant7:order:1', { type: 'a', data: 0 });

    expect(span('append tenant7')).toBeDefined();
  });

  it('keeps the trace in the metadata of its events, and what the caller gave stays', async () => {
    const { store } = await tracedApp();
    await store.append('order-1', { type: 'a', data: 0, metadata: { user: 'ada' } });

    const { traceId, spanId } = span('append order').spanContext();
    const [{ metadata }] = await store.readStream('order-1');
    expect(metadata).toEqual({ user: 'ada', traceparent: `00-${traceId}-${spanId}-01` });
  });

  it('never keeps baggage', async () => {
    const { store } = await tracedApp();
    const carrying = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage({ user: { value: 'ada' } }));
    await context.with(carrying, () => store.append('order-1', { type: 'a', data: 0 }));

    const [{ metadata }] = await store.readStream('order-1');
    expect(Object.keys(metadata)).toEqual(['traceparent']);
  });

  it('to a stream of the store itself is no span', async () => {
    const { app, store } = await tracedApp();
    await store.append('order-1', { type: 'a', data: 9 });
    await whenSettled(app);

    expect(spans().filter(({ kind }) => kind === SpanKind.PRODUCER)).toHaveLength(1);
  });
});

describe('an attempt of a handler', () => {
  it('is a span of a consumer in the trace of the append, and linked to it', async () => {
    const { app, store, billing } = await tracedApp();
    await within('POST /orders', () => store.append('order-42', { type: 'order.placed', data: 0, id: 'e-1' }));
    await whenSettled(app);

    const append = span('append order').spanContext();
    const process = span('process billing');
    expect(process.kind).toBe(SpanKind.CONSUMER);
    expect(process.spanContext().traceId).toBe(span('POST /orders').spanContext().traceId);
    expect(process.parentSpanContext?.spanId).toBe(append.spanId);
    expect(process.links.map(({ context: { spanId, traceId } }) => ({ spanId, traceId }))).toEqual([
      { spanId: append.spanId, traceId: append.traceId },
    ]);
    expect(process.attributes).toEqual({
      [conventions.ATTR_MESSAGING_SYSTEM_NAME]: 'nestjs-stream-store',
      [conventions.ATTR_MESSAGING_OPERATION_NAME]: 'process',
      [conventions.ATTR_MESSAGING_OPERATION_TYPE]: conventions.MESSAGING_OPERATION_TYPE_VALUE_PROCESS,
      [conventions.ATTR_MESSAGING_DESTINATION_NAME]: 'order-42',
      [conventions.ATTR_MESSAGING_DESTINATION_TEMPLATE]: 'order',
      [conventions.ATTR_MESSAGING_MESSAGE_ID]: 'e-1',
      [conventions.ATTR_MESSAGING_CONSUMER_GROUP_NAME]: 'billing',
      'event_store.name': 'memory-store',
      'event_store.event.type': 'order.placed',
      'event_store.event.position': 1,
      'event_store.handler.attempt': 1,
    });
    expect(billing.traces).toEqual([append.traceId]);
  });

  it('is a span each time, with the error of those that failed', async () => {
    const { app, store } = await tracedApp();
    await store.append('order-1', { type: 'a', data: 2 });
    await whenSettled(app);

    const attempts = spans().filter(({ name }) => name === 'process billing');
    expect(attempts.map(({ attributes }) => attributes['event_store.handler.attempt'])).toEqual([1, 2, 3]);
    expect(attempts.map(({ status }) => status.code)).toEqual([
      SpanStatusCode.ERROR,
      SpanStatusCode.ERROR,
      SpanStatusCode.UNSET,
    ]);
    expect(attempts.map(({ attributes }) => attributes[conventions.ATTR_ERROR_TYPE])).toEqual([
      'TypeError',
      'TypeError',
      undefined,
    ]);
  });

  it('begins a trace of its own, linked to the append, when it is told so', async () => {
    const { app, store } = await tracedApp({ handlerTrace: 'own' });
    await store.append('order-1', { type: 'a', data: 0 });
    await whenSettled(app);

    const append = span('append order').spanContext();
    const process = span('process billing');
    expect(process.parentSpanContext).toBeUndefined();
    expect(process.spanContext().traceId).not.toBe(append.traceId);
    expect(process.links.map(({ context: { spanId } }) => spanId)).toEqual([append.spanId]);
  });

  it('belongs to the trace that the caller put into the metadata', async () => {
    const { app, store } = await tracedApp();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await store.append('order-1', { type: 'a', data: 0, metadata: { traceparent } });
    await whenSettled(app);

    expect(span('process billing').spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c');
  });

  it.each([[{}], [{ traceparent: 5 }], [{ traceparent: 'nonsense' }], [{ traceparent: { a: 1 } }]])(
    'begins a trace when the metadata name none: %p',
    async (metadata) => {
      const { app, store } = await tracedApp({ traces: true });
      // A store without tracing appended it.
      await internalsOf(store).appendInternally('order-1', { type: 'a', data: 0, metadata });
      await whenSettled(app);

      const process = span('process billing');
      expect([process.parentSpanContext, process.links]).toEqual([undefined, []]);
    },
  );

  it('gives what it appends to the same trace', async () => {
    class Shipping {
      constructor(private readonly store: EventStore) {}

      async ship(): Promise<void> {
        await this.store.append('parcel-1', { type: 'parcel.sent', data: 0 });
      }
    }
    OnStreamEvent('order-1')(Shipping.prototype, 'ship', Object.getOwnPropertyDescriptor(Shipping.prototype, 'ship')!);
    const app = await startApp({
      imports: [EventStoreModule.forRoot(), EventStoreOpenTelemetryModule.forRoot()],
      providers: [{ provide: Shipping, useFactory: (store: EventStore) => new Shipping(store), inject: [EventStore] }],
    });
    await app.get(EventStore).append('order-1', { type: 'a', data: 0 });
    await whenSettled(app);

    const [order, handled, parcel] = ['append order', 'process Shipping.ship', 'append parcel'].map(span);
    expect(parcel.parentSpanContext?.spanId).toBe(handled.spanContext().spanId);
    expect(new Set([order, handled, parcel].map((each) => each.spanContext().traceId)).size).toBe(1);
  });
});

describe('tracing', () => {
  it('works on a store outside of Nest', async () => {
    const store = await openEventStore({ instrumentation: openTelemetryTracing() });
    await store.append('order-1', { type: 'a' });
    await store.close();

    expect(span('append order')).toBeDefined();
  });

  it('can be left out', async () => {
    const { app, store } = await tracedApp({ traces: false });
    await store.append('order-1', { type: 'a', data: 0 });
    await whenSettled(app);

    expect(spans()).toEqual([]);
    expect((await store.readStream('order-1'))[0].metadata).toEqual({});
  });

  it('has the names of the conventions', () => {
    expect(conventions).toMatchObject({ ...copied });
  });
});
