import { afterEach, describe, expect, it } from '@jest/globals';
import { type DynamicModule, Inject, Injectable } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import {
  DeadLetters,
  EventStore,
  EventStoreModule,
  getEventStoreToken,
  InjectEventStore,
  memoryEngine,
  OnStreamEvent,
  openEventStore,
  type RecordedEvent,
  type StorageEngine,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { AuditTrailModule } from 'nestjs-stream-store/audit';
import { EventStoreHttpModule } from 'nestjs-stream-store/http';
import { EventStoreOpenTelemetryModule } from 'nestjs-stream-store/opentelemetry';
import { EventStorePrometheusModule } from 'nestjs-stream-store/prometheus';
import { EventStoreHealthIndicator, EventStoreHealthModule } from 'nestjs-stream-store/terminus';
import { Registry } from 'prom-client';
import { adapterOf } from '../http/http-app.js';
import { aroundEngine } from '../support/engines/around-engine.js';
import { until } from '../support/waiting/collect.js';
import { numbered } from '../support/events.js';
import { closedAfterTest, RecordingNestLogger } from '../support/servers/nest-app.js';

// How the tests of an application put something else in the place of a store.

@Injectable()
class Orders {
  constructor(
    readonly store: EventStore,
    @InjectEventStore('audit') readonly audit: EventStore,
  ) {}
}

@Injectable()
class Handler {
  readonly seen: unknown[] = [];

  @OnStreamEvent('orders')
  onOrder({ data }: RecordedEvent): void {
    this.seen.push(data);
  }

  @OnStreamEvent('orders', { store: 'audit' })
  onAudit({ data }: RecordedEvent): void {
    this.seen.push(['audit', data]);
  }
}

@Injectable()
class Listening {
  @OnStreamEvent('orders')
  on(): void {}
}

const builder = (): TestingModuleBuilder =>
  Test.createTestingModule({
    imports: [EventStoreModule.forRoot(), EventStoreModule.forRoot({ name: 'audit' })],
    providers: [Orders, Handler],
  }).setLogger(new RecordingNestLogger());

const own: EventStore[] = [];

async function ownStore(name: string): Promise<EventStore> {
  const store = await openEventStore({ name });
  own.push(store);
  return store;
}

afterEach(async () => {
  await Promise.all(own.splice(0).map((store) => store.close()));
});

async function start(overridden: TestingModuleBuilder) {
  const app = closedAfterTest(await overridden.compile());
  await app.init();
  return app;
}

describe('overrideProvider', () => {
  it('of the class EventStore by another store gives that to who injects it', async () => {
    const store = await ownStore('mine');
    const app = await start(builder().overrideProvider(EventStore).useValue(store));

    expect(app.get(Orders).store).toBe(store);
    expect(app.get(Orders).audit.name).toBe('audit');
  });

  it('of the class EventStore by something that only looks like a store gives that to who injects it', async () => {
    const fake = { append: async () => ({ revision: 7 }) };
    const app = await start(builder().overrideProvider(EventStore).useValue(fake));

    expect(app.get(Orders).store).toBe(fake);
  });

  it('of the class EventStore moves the handlers to the store that it means now', async () => {
    const store = await ownStore('mine');
    const app = await start(builder().overrideProvider(EventStore).useValue(store));
    const { seen } = app.get(Handler);

    await app.get(Orders).store.append('orders', numbered(1, 2));
    await until(() => seen.length === 2, 'the second event');

    expect(seen).toEqual([1, 2]);
  });

  it('of a named store gives the other one to who injects it, and to its handlers', async () => {
    const store = await ownStore('mine');
    const app = await start(builder().overrideProvider(getEventStoreToken('audit')).useValue(store));
    const { seen } = app.get(Handler);

    await app.get(Orders).audit.append('orders', numbered(1, 1));
    await until(() => seen.length === 1, 'the event');

    expect(app.get(Orders).audit).toBe(store);
    expect(seen).toEqual([['audit', 1]]);
  });

  it('of the named token of the default store does not keep the application from starting', async () => {
    const store = await ownStore('mine');
    const app = await start(builder().overrideProvider(getEventStoreToken('memory-store')).useValue(store));

    expect(app.get(Orders).store).toBe(store);
  }, 2_000);

  it('of a handler takes its subscriptions away', async () => {
    const app = await start(builder().overrideProvider(Handler).useValue({}));

    expect((await app.get(Orders).store.stats()).subscriptionsActive).toBe(0);
  });
});

describe('the engine that was configured, when its store is overridden', () => {
  /** An engine that nobody may open. */
  function forbidden(): StorageEngine {
    return aroundEngine((verb, ask) => {
      if (verb === 'open') throw new Error('the configured engine was opened');
      return ask();
    }, memoryEngine());
  }
  const mock = { append: async () => ({ revision: 7 }) };

  @Injectable()
  class ByName {
    constructor(
      readonly store: EventStore,
      @Inject(getEventStoreToken('memory-store')) readonly named: EventStore,
    ) {}
  }

  it.each<[string, (name?: string) => DynamicModule]>([
    ['forRoot', (name) => EventStoreModule.forRoot({ engine: forbidden(), name })],
    ['forRootAsync', (name) => EventStoreModule.forRootAsync({ name, useFactory: () => ({ engine: forbidden() }) })],
  ])('is never opened: %s', async (_how, moduleOf) => {
    for (const token of [EventStore, getEventStoreToken('memory-store')]) {
      for (const standIn of [mock, await ownStore('mine')]) {
        for (const how of ['value', 'factory']) {
          const overriding = Test.createTestingModule({ imports: [moduleOf()], providers: [Listening, ByName] })
            .setLogger(new RecordingNestLogger())
            .overrideProvider(token);
          const overridden =
            how === 'value' ? overriding.useValue(standIn) : overriding.useFactory({ factory: () => standIn });
          const app = await start(overridden);

          expect(app.get(ByName).store).toBe(standIn);
          if (how === 'value') expect(app.get(ByName).named).toBe(standIn);
          await app.close();
        }
      }
    }
    const app = await start(
      Test.createTestingModule({ imports: [EventStoreModule.forRoot(), moduleOf('other')] })
        .setLogger(new RecordingNestLogger())
        .overrideProvider(getEventStoreToken('other'))
        .useValue(mock),
    );
    await app.get(EventStore).append('orders', { type: 'placed' });
  });

  it('is opened when it is what stands in its place works with', async () => {
    const app = await start(
      Test.createTestingModule({ imports: [EventStoreModule.forRoot()] })
        .setLogger(new RecordingNestLogger())
        .overrideProvider(EventStore)
        .useFactory({ factory: (inner: EventStore) => ({ inner }), inject: [getEventStoreToken('memory-store')] }),
    );
    const { inner } = app.get<{ inner: EventStore }>(EventStore);
    await inner.append('orders', { type: 'placed' });

    expect((await inner.stats()).totalEvents).toBe(1);
  });
});

it('a real store that a test has put in the place of another has its dead letters listed', async () => {
  class Failing {
    @OnStreamEvent('orders', { durable: 'failing', retry: { attempts: 1 } })
    on(): void {
      throw new Error('broken');
    }
  }
  const store = await ownStore('mine');
  const app = await start(
    Test.createTestingModule({ imports: [EventStoreModule.forRoot()], providers: [Failing] })
      .setLogger(new RecordingNestLogger())
      .overrideProvider(EventStore)
      .useValue(store),
  );
  await store.append('orders', numbered(1, 1));
  await app.get(StreamSubscriptions).whenSettled();

  expect(await app.get(DeadLetters).count()).toBe(1);
});

it.each(['Express', 'Fastify'] as const)(
  'with a mock in the place of the store, endpoints, metrics, traces and health end cleanly on %s',
  async (adapter) => {
    const logger = new RecordingNestLogger();
    const module = await Test.createTestingModule({
      imports: [
        EventStoreModule.forRoot(),
        EventStoreHttpModule.register({ public: true }),
        EventStorePrometheusModule.forRoot({ registry: new Registry() }),
        EventStoreOpenTelemetryModule.forRoot(),
        TerminusModule,
        EventStoreHealthModule,
        AuditTrailModule.forRoot(),
      ],
    })
      .setLogger(logger)
      .overrideProvider(EventStore)
      .useValue({ append: async () => ({ revision: 7 }) })
      .compile();
    const app = module.createNestApplication(adapterOf(adapter));
    await app.init();

    expect(await app.get(EventStoreHealthIndicator, { strict: false }).isHealthy('store')).toEqual({
      store: { status: 'up' },
    });
    await app.close();
    expect(logger.errors).toEqual([]);
  },
);

it('a store in memory per test module starts empty', async () => {
  for (let round = 0; round < 3; round++) {
    const app = await start(builder());
    await app.get(Orders).store.append('orders', numbered(1, 1));

    expect((await app.get(Orders).store.stats()).totalEvents).toBe(1);
    await app.close();
  }
});
