import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  DeadLetters,
  EventStore,
  EventStoreModule,
  memoryEngine,
  OnStreamEvent,
  StreamSubscriptions,
  type EventStoreOptions,
  type RecordedEvent,
  type StorageEngine,
} from 'nestjs-stream-store';
import { EventStorePrometheusModule } from 'nestjs-stream-store/prometheus';
import { ManualClock, whenSettled } from 'nestjs-stream-store/testing';
import { Registry } from 'prom-client';
import { aroundEngine } from '../support/engines/around-engine.js';
import { numbered, rejectionOf } from '../support/events.js';
import { startApp } from '../support/servers/nest-app.js';
import { SharedMemory } from '../support/engines/shared-memory-engine.js';
import { Scrape } from './scrape.js';

@Injectable()
class Billing {
  @OnStreamEvent({ streams: 'order-*' }, { durable: 'billing', retry: { attempts: 3, initialDelayMs: 0 } })
  bill({ data }: RecordedEvent<number>, { attempt }: { attempt: number }): void {
    if (data < 0 || attempt <= data) throw new Error(`not at attempt ${attempt}`);
  }

  @OnStreamEvent('skipped')
  skip(): never {
    throw new Error('never');
  }
}

async function measuredApp(options: EventStoreOptions = {}) {
  const registry = new Registry();
  const app = await startApp({
    imports: [EventStoreModule.forRoot(options), EventStorePrometheusModule.forRoot({ registry })],
    providers: [Billing],
  });
  const store = app.get(EventStore);
  const order = (attempts: number) => store.append(`order-${attempts}`, { type: 'order.placed', data: attempts });
  return { app, store, registry, order };
}

const store = 'memory-store';

describe('what happens', () => {
  it('is measured in appends and reads, in seconds and by outcome', async () => {
    const { store: events, registry } = await measuredApp({ maxEventsPerStream: 4 });
    await events.append('a', numbered(1, 3));
    await events.append('b', { type: 't' });
    await rejectionOf(events.append('a', numbered(1, 2)));
    await events.read('a', 1);
    await events.readAll();
    await rejectionOf(events.read('nobody'));

    const scrape = await Scrape.from(registry);
    const appends = 'event_store_append_duration_seconds_count';
    expect(scrape.value(appends, { store, outcome: 'ok' })).toBe(2);
    expect(scrape.value(appends, { store, outcome: 'STREAM_LIMIT_REACHED' })).toBe(1);
    const seconds = scrape.value('event_store_append_duration_seconds_sum', { outcome: 'ok' });
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(10);
    const bucket = (le: string) => scrape.value('event_store_append_duration_seconds_bucket', { outcome: 'ok', le });
    expect([bucket('0.00005') <= 2, bucket('10'), bucket('+Inf')]).toEqual([true, 2, 2]);
    expect(scrape.value('event_store_appended_events_total', { store })).toBe(4);
    const reads = 'event_store_read_duration_seconds_count';
    expect(scrape.value(reads, { operation: 'read', outcome: 'ok' })).toBe(1);
    expect(scrape.value(reads, { operation: 'readAll', outcome: 'ok' })).toBe(1);
    expect(scrape.value(reads, { operation: 'read', outcome: 'STREAM_NOT_FOUND' })).toBe(1);
    expect(scrape.value('event_store_read_events_total', { store })).toBe(6);
  });

  it('is measured in the attempts of handlers, retries, and what was given up', async () => {
    const { app, store: events, registry, order } = await measuredApp();
    await order(0);
    await order(2);
    await order(-1);
    await events.append('skipped', { type: 't' });
    await whenSettled(app);

    const scrape = await Scrape.from(registry);
    const attempts = 'event_store_handler_duration_seconds_count';
    expect(scrape.value(attempts, { store, handler: 'billing', outcome: 'ok' })).toBe(2);
    expect(scrape.value(attempts, { store, handler: 'billing', outcome: 'UNKNOWN' })).toBe(5);
    expect(scrape.value(attempts, { handler: 'Billing.skip', outcome: 'UNKNOWN' })).toBe(1);
    expect(scrape.value('event_store_handler_retries_total', { store, handler: 'billing' })).toBe(4);
    const givenUp = 'event_store_handler_given_up_events_total';
    expect(scrape.value(givenUp, { handler: 'billing', policy: 'dead-letter' })).toBe(1);
    expect(scrape.value(givenUp, { handler: 'Billing.skip', policy: 'skip' })).toBe(1);
    expect(scrape.value('event_store_dead_letters', { store, handler: 'billing' })).toBe(1);

    const [letter] = await app.get(DeadLetters).list();
    await app.get(DeadLetters).discard(letter.id);
    expect((await Scrape.from(registry)).value('event_store_dead_letters', { handler: 'billing' })).toBe(0);
  });

  it('is counted when retention removes events, also those that a subscription had not read', async () => {
    const clock = new ManualClock();
    const { store: events, registry } = await measuredApp({ clock, retentionDuration: '1m' });
    await events.append('a', numbered(1, 5));
    const subscription = events.subscribe('a', undefined, { batchSize: 1 });
    const iterator = subscription[Symbol.asyncIterator]();
    await iterator.next();
    clock.jump(61_000);
    await events.sweep();
    await events.append('a', numbered(6, 6));
    await iterator.next();
    await subscription.close();

    const scrape = await Scrape.from(registry);
    expect(scrape.value('event_store_expired_events_total', { store })).toBe(5);
    expect(scrape.value('event_store_dropped_events_total', { store })).toBe(0);
    expect(scrape.value('event_store_subscription_gaps_total', { store, subscription: 'subscription' })).toBe(1);
  });

  it('is counted when the log does not go on from where a subscription was', async () => {
    const { store: events, registry } = await measuredApp({});
    await events.append('a', numbered(1, 3));
    const iterator = events.subscribe('a', 5)[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.return!();

    const scrape = await Scrape.from(registry);
    expect(scrape.value('event_store_log_forks_total', { store, subscription: 'subscription' })).toBe(1);
  });

  it('is measured in snapshots, and counted when work in the background fails', async () => {
    const clock = new ManualClock();
    let isFull = true;
    const inner = memoryEngine();
    const snapshot = { id: '1', createdAt: new Date(), events: 0, streams: 0, bytes: 10 };
    const engine: StorageEngine = {
      ...aroundEngine((_verb, ask) => ask(), inner),
      supports: { ...inner.supports, snapshot: true },
      snapshot: ({ ifChanged }) => {
        if (isFull) throw new Error('disk full');
        return ifChanged ? undefined : snapshot;
      },
    };
    const { app, store: events, registry } = await measuredApp({ clock, engine, snapshotInterval: '1h' });
    await clock.advance(3_600_000);
    isFull = false;
    await events.snapshot();

    const scrape = await Scrape.from(registry);
    expect(scrape.value('event_store_snapshot_duration_seconds_count', { store, outcome: 'ok' })).toBe(1);
    expect(scrape.value('event_store_snapshot_duration_seconds_count', { store, outcome: 'UNKNOWN' })).toBe(1);
    expect(scrape.value('event_store_background_failures_total', { store, operation: 'snapshot' })).toBe(1);
    await app.close();
  });

  it('is counted when a durable handler comes to this process, and not to one on standby', async () => {
    const clock = new ManualClock();
    const memory = new SharedMemory(clock);
    const first = await measuredApp({ name: store, engine: memory.engine(), clock });
    const second = await measuredApp({ name: store, engine: memory.engine(), clock });
    const standby = await Scrape.from(second.registry);
    const running = await Scrape.from(first.registry);

    const changes = 'event_store_handler_lease_changes_total';
    const handler = { store, handler: 'billing' };
    expect(standby.samples(changes)).toEqual([]);
    expect(standby.value('event_store_handler_state', { ...handler, state: 'standby' })).toBe(1);
    expect(running.value(changes, { ...handler, change: 'gained' })).toBe(1);
  });

  it('is measured from before the store opens, on all stores of the application', async () => {
    const registry = new Registry();
    const app = await startApp({
      imports: [
        EventStorePrometheusModule.forRoot({ registry }),
        EventStoreModule.forRoot(),
        EventStoreModule.forRoot({ name: 'audit' }),
      ],
      providers: [
        {
          provide: 'STARTER',
          useFactory: (events: EventStore) => events.append('a', { type: 't' }),
          inject: [EventStore],
        },
      ],
    });
    await app.get<EventStore>('EventStore:audit').append('a', numbered(1, 2));

    const scrape = await Scrape.from(registry);
    expect(scrape.value('event_store_appended_events_total', { store: 'memory-store' })).toBe(1);
    expect(scrape.value('event_store_appended_events_total', { store: 'audit' })).toBe(2);
    expect(scrape.labels('event_store_up')).toEqual([{ store: 'memory-store' }, { store: 'audit' }]);
  });
});

describe('what is true at the scrape', () => {
  it('is events, streams, memory and subscriptions, beside the limit', async () => {
    const { store: events, registry } = await measuredApp({ maxStreams: 50 });
    await events.append('a', numbered(1, 3));
    await events.append('b', { type: 't' });
    const before = await Scrape.from(registry);
    const subscription = events.subscribe('a');
    await events.append('c', { type: 't' });
    const after = await Scrape.from(registry);
    await subscription.close();

    const values = (scrape: Scrape) =>
      ['up', 'events', 'streams', 'streams_limit'].map((name) => scrape.value(`event_store_${name}`, { store }));
    expect(values(before)).toEqual([1, 4, 2, 50]);
    expect(values(after)).toEqual([1, 5, 3, 50]);
    expect(after.value('event_store_memory_bytes')).toBe((await events.stats()).memoryUsageBytes);
    expect(after.value('event_store_subscriptions') - before.value('event_store_subscriptions')).toBe(1);
  });

  it('is no limit, said as infinity', async () => {
    const { registry } = await measuredApp({ maxStreams: 0 });

    expect(await registry.metrics()).toContain(`event_store_streams_limit{store="${store}"} +Inf`);
  });

  it('is lag, position and state of each handler', async () => {
    const { app, registry, order } = await measuredApp();
    await order(0);
    await whenSettled(app);
    const live = await Scrape.from(registry);
    await app.get(StreamSubscriptions).pause('billing');
    await order(0);
    await order(1);
    const paused = await Scrape.from(registry);

    const handler = { store, handler: 'billing' };
    expect(live.value('event_store_handler_lag_positions', handler)).toBe(0);
    expect(live.value('event_store_handler_position', handler)).toBe(1);
    expect(live.samples('event_store_handler_state', handler)).toEqual([
      { value: '1', labels: { ...handler, state: 'live' } },
    ]);
    expect(paused.value('event_store_handler_lag_positions', handler)).toBe(2);
    expect(paused.samples('event_store_handler_state', handler)).toEqual([
      { value: '1', labels: { ...handler, state: 'paused' } },
    ]);
  });

  it('is that a store does not answer, and the others do', async () => {
    const registry = new Registry();
    const broken = aroundEngine((verb, ask) => {
      if (verb === 'usage') throw new Error('no connection');
      return ask();
    });
    const clock = new ManualClock();
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    const hanging = aroundEngine((verb, ask) => (verb === 'usage' ? released.then(ask) : ask()));
    await startApp({
      imports: [
        EventStoreModule.forRoot(),
        EventStoreModule.forRoot({ name: 'broken', engine: broken }),
        EventStoreModule.forRoot({ name: 'hanging', engine: hanging, clock }),
        EventStorePrometheusModule.forRoot({ registry }),
      ],
    });
    const scraping = Scrape.from(registry);
    await clock.advance(5_000);
    const scrape = await scraping;
    release();

    expect(
      ['memory-store', 'broken', 'hanging'].map((name) => scrape.value('event_store_up', { store: name })),
    ).toEqual([1, 0, 0]);
    expect(scrape.labels('event_store_events')).toEqual([{ store: 'memory-store' }]);
  });

  it('asks each store once a scrape', async () => {
    let asked = 0;
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'usage') asked++;
      return ask();
    });
    const { registry } = await measuredApp({ engine });
    asked = 0;
    await registry.metrics();
    await Promise.all([registry.metrics(), registry.metrics()]);

    expect(asked).toBe(2);
  });
});

describe('the names and labels', () => {
  it('keep to the conventions of Prometheus', async () => {
    const { app, registry, order } = await measuredApp();
    await order(2);
    await order(-1);
    await whenSettled(app);

    const { families } = await Scrape.from(registry);
    for (const { name, type, help } of families) {
      expect(name).toMatch(/^event_store_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(type === 'COUNTER');
      expect(name).not.toMatch(/_(ms|millis|milliseconds|kb|mb)(_|$)/);
      if (type === 'HISTOGRAM') expect(name).toMatch(/_seconds$/);
      expect(help).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('do not grow in number with streams, types and events', async () => {
    const { app, store: events, registry, order } = await measuredApp({ maxStreams: 0 });
    await order(2);
    await order(-1);
    await events.read('order-2');
    await whenSettled(app);
    // A scrape reads the dead letters, which is measured like any read.
    await registry.metrics();
    const { series } = await Scrape.from(registry);
    for (let index = 0; index < 500; index++) {
      await events.append(`order-of-${index}`, { type: `type-${index}`, data: index % 2 === 0 ? -1 : 2 });
      await events.read(`order-of-${index}`);
    }
    await whenSettled(app);
    const text = await registry.metrics();

    expect(Scrape.of(text).series).toBe(series);
    expect(text).not.toMatch(/order-|type-/);
  });
});
