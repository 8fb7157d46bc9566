import { describe, expect, it } from '@jest/globals';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type DataPoint,
  type Histogram,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import {
  EventStore,
  EventStoreModule,
  OnStreamEvent,
  openEventStore,
  StreamSubscriptions,
  type EventStoreOptions,
  type RecordedEvent,
} from 'nestjs-stream-store';
import { EventStoreOpenTelemetryModule, openTelemetryMetrics } from 'nestjs-stream-store/opentelemetry';
import { whenSettled } from 'nestjs-stream-store/testing';
import { aroundEngine } from '../support/engines/around-engine.js';
import { numbered, rejectionOf } from '../support/events.js';
import { startApp, startFailure } from '../support/servers/nest-app.js';

class Billing {
  @OnStreamEvent({ streams: 'order-*' }, { durable: 'billing', retry: { attempts: 3, initialDelayMs: 0 } })
  bill({ data }: RecordedEvent<number>, { attempt }: { attempt: number }): void {
    if (data < 0 || attempt <= data) throw new Error(`not at attempt ${attempt}`);
  }
}

/** What is exported, as an application's SDK would. */
class Exported {
  readonly #exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly meterProvider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter: this.#exporter, exportIntervalMillis: 2 ** 30 })],
  });

  async metrics(): Promise<MetricData[]> {
    this.#exporter.reset();
    await this.meterProvider.forceFlush();
    return this.#exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
  }

  /** The points of a metric, by their attributes in JSON. */
  async points(name: string): Promise<Record<string, number>> {
    const metric = (await this.metrics()).find(({ descriptor }) => descriptor.name === name);
    const points = (metric?.dataPoints ?? []) as DataPoint<number | Histogram>[];
    return Object.fromEntries(
      points.map(({ attributes, value }) => [
        Object.values(attributes).join(' '),
        typeof value === 'number' ? value : value.count,
      ]),
    );
  }
}

async function measuredApp(options: EventStoreOptions = {}) {
  const exported = new Exported();
  const app = await startApp({
    imports: [
      EventStoreModule.forRoot(options),
      EventStoreOpenTelemetryModule.forRoot({ traces: false, meterProvider: exported.meterProvider }),
    ],
    providers: [Billing],
  });
  const store = app.get(EventStore);
  const order = (attempts: number) => store.append(`order-${attempts}`, { type: 'order.placed', data: attempts });
  return { app, store, exported, order };
}

describe('metrics for OpenTelemetry', () => {
  it('measure appends, reads and handlers under the names of the messaging conventions, in seconds', async () => {
    const { app, store, exported, order } = await measuredApp({ maxEventsPerStream: 4 });
    await order(0);
    await order(2);
    await order(-1);
    await store.append('other', numbered(1, 3));
    await rejectionOf(store.append('other', numbered(1, 3)));
    await whenSettled(app);
    await store.readAll();

    const system = 'nestjs-stream-store';
    // The dead letter is one more append, of one more event.
    expect(await exported.points('messaging.client.operation.duration')).toMatchObject({
      [`${system} append send memory-store`]: 5,
      [`${system} append send memory-store STREAM_LIMIT_REACHED`]: 1,
      [`${system} readAll receive memory-store`]: 1,
    });
    expect(await exported.points('messaging.client.sent.messages')).toEqual({
      [`${system} append send memory-store`]: 7,
      [`${system} append send memory-store STREAM_LIMIT_REACHED`]: 3,
    });
    expect(await exported.points('messaging.process.duration')).toEqual({
      [`${system} process process memory-store billing`]: 2,
      [`${system} process process memory-store billing UNKNOWN`]: 5,
    });
    expect(await exported.points('messaging.client.consumed.messages')).toEqual({
      [`${system} process process memory-store billing`]: 2,
      [`${system} process process memory-store billing UNKNOWN`]: 5,
    });
    expect(await exported.points('event_store.handler.retries')).toEqual({ 'memory-store billing': 4 });
    expect(await exported.points('event_store.handler.given_up')).toEqual({ 'memory-store billing dead-letter': 1 });
    const metrics = await exported.metrics();
    const seconds = metrics.filter(({ descriptor }) => descriptor.name.endsWith('.duration'));
    expect(seconds.map(({ descriptor }) => descriptor.unit)).toEqual(seconds.map(() => 's'));
  });

  it('measure what stores and handlers are like when they are exported', async () => {
    const { app, exported, order } = await measuredApp({ maxStreams: 50 });
    await order(0);
    await whenSettled(app);
    await app.get(StreamSubscriptions).pause('billing');
    await order(-1);

    expect(await exported.points('event_store.available')).toEqual({ 'memory-store': 1 });
    expect(await exported.points('event_store.event.count')).toEqual({ 'memory-store': 2 });
    expect(await exported.points('event_store.event.appended')).toEqual({ 'memory-store': 2 });
    expect(await exported.points('event_store.event.dropped')).toEqual({ 'memory-store': 0 });
    expect(await exported.points('event_store.stream.count')).toEqual({ 'memory-store': 2 });
    expect(await exported.points('event_store.stream.limit')).toEqual({ 'memory-store': 50 });
    expect(await exported.points('event_store.handler.lag')).toEqual({ 'memory-store billing': 1 });
    expect(await exported.points('event_store.handler.state')).toEqual({ 'memory-store billing paused': 1 });
    expect(await exported.points('event_store.handler.dead_letters')).toEqual({ 'memory-store billing': 0 });
    await app.get(StreamSubscriptions).resume('billing');
    await whenSettled(app);
    expect(await exported.points('event_store.handler.dead_letters')).toEqual({ 'memory-store billing': 1 });
  });

  it('say that a store does not answer', async () => {
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'usage') throw new Error('no connection');
      return ask();
    });
    const { exported } = await measuredApp({ engine });

    expect(await exported.points('event_store.available')).toEqual({ 'memory-store': 0 });
    expect(await exported.points('event_store.event.count')).toEqual({});
  });

  it('do not grow in number with streams', async () => {
    const { app, store, exported } = await measuredApp({ maxStreams: 0 });
    const size = async () => (await exported.metrics()).flatMap(({ dataPoints }) => dataPoints as unknown[]).length;
    await store.append('order-0', { type: 'a', data: 1 });
    await whenSettled(app);
    const before = await size();
    for (let n = 1; n <= 200; n++) await store.append(`order-${n}`, { type: `type-${n}`, data: 1 });
    await whenSettled(app);

    expect(await size()).toBe(before);
    expect(JSON.stringify(await exported.metrics())).not.toMatch(/order-|type-/);
  });

  it('end with the application', async () => {
    const { app, exported } = await measuredApp();
    await app.close();

    expect(await exported.points('event_store.available')).toEqual({});
  });

  it('work on a store outside of Nest', async () => {
    const exported = new Exported();
    const { meterProvider } = exported;
    const store = await openEventStore({ metricsCollector: openTelemetryMetrics({ meterProvider }) });
    await store.append('order-1', { type: 'a' });
    await store.close();

    expect(Object.values(await exported.points('messaging.client.sent.messages'))).toEqual([1]);
  });
});

describe('an application that failed to start', () => {
  it('is not observed, and its store stays closed', async () => {
    const reader = new PeriodicExportingMetricReader({
      exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
    });
    const meterProvider = new MeterProvider({ readers: [reader] });
    const failing = { provide: 'DATABASE', useFactory: () => Promise.reject(new Error('no database yet')) };

    const failure = await startFailure({
      imports: [EventStoreModule.forRoot(), EventStoreOpenTelemetryModule.forRoot({ traces: false, meterProvider })],
      providers: [failing],
    });

    const { resourceMetrics } = await reader.collect();
    await meterProvider.shutdown();
    expect(failure).toMatchObject({ message: 'no database yet' });
    expect(resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)).toEqual([]);
  });
});
