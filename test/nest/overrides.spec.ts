import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import {
  EventStore,
  EventStoreModule,
  getEventStoreToken,
  InjectEventStore,
  OnStreamEvent,
  openEventStore,
  type RecordedEvent,
} from 'nestjs-stream-store';
import { until } from '../support/collect.js';
import { numbered } from '../support/events.js';
import { closedAfterTest, RecordingNestLogger } from '../support/nest-app.js';

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

it('a store in memory per test module starts empty', async () => {
  for (let round = 0; round < 3; round++) {
    const app = await start(builder());
    await app.get(Orders).store.append('orders', numbered(1, 1));

    expect((await app.get(Orders).store.stats()).totalEvents).toBe(1);
    await app.close();
  }
});
