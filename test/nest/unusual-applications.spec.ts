import { describe, expect, it } from '@jest/globals';
import { Injectable, Module, type Type } from '@nestjs/common';
import { LazyModuleLoader, NestFactory } from '@nestjs/core';
import { Server } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  EventData,
  EventStore,
  EventStoreModule,
  getEventStoreToken,
  memoryEngine,
  OnStreamEvent,
  type RecordedEvent,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { newFolder } from '../sqlite/sqlite-files.js';
import { numbered, rejectionOf } from '../support/events.js';
import { closedAfterTest, RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

describe('a module that is loaded lazily', () => {
  it('injects the store of the application, and its handlers are not called', async () => {
    const seen: number[] = [];
    @Injectable()
    class Reports {
      constructor(readonly store: EventStore) {}

      @OnStreamEvent('orders')
      on({ position }: RecordedEvent): void {
        seen.push(position);
      }
    }
    @Module({ providers: [Reports] })
    class ReportsModule {}
    const app = await startApp({ imports: [EventStoreModule.forRoot()] });
    const loaded = await app.get(LazyModuleLoader).load(() => ReportsModule);

    await loaded.get(Reports).store.append('orders', { type: 'placed' });
    await app.get(StreamSubscriptions).whenSettled();

    expect(loaded.get(Reports).store).toBe(app.get(EventStore));
    expect(seen).toEqual([]);
  });

  it('may bring a store of its own, which opens with its first call and closes with the application', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot()] });
    const loaded = await app.get(LazyModuleLoader).load(() => EventStoreModule.forRoot({ name: 'late' }));
    const store = loaded.get<EventStore>(getEventStoreToken('late'));
    await store.append('orders', { type: 'placed' });

    await app.close();

    expect(await rejectionOf(store.append('orders', { type: 'placed' }))).toMatchObject({ code: 'STORE_CLOSED' });
  });
});

it('an application that is compiled and never initialised has a store that works, and closes it', async () => {
  const snapshotDirectory = newFolder();
  const counts: number[] = [];

  for (let start = 1; start <= 2; start++) {
    const imports = [EventStoreModule.forRoot({ engine: memoryEngine({ snapshotDirectory }) })];
    const app = await Test.createTestingModule({ imports }).compile();
    await app.get(EventStore).append('orders', { type: 'placed' });
    counts.push((await app.get(EventStore).readStream('orders')).length);
    await app.close();
  }

  expect(counts).toEqual([1, 2]);
});

it.each(['onModuleInit', 'onApplicationBootstrap'] as const)(
  'an application in which another module failed in %s gives back what its stores hold when they are closed',
  async (hook) => {
    const snapshotDirectory = newFolder();
    let fails = true;
    @Injectable()
    class Other {
      [hook](): void {
        if (fails) throw new Error('no such queue');
      }
    }
    const compile = () =>
      Test.createTestingModule({
        imports: [EventStoreModule.forRoot({ engine: memoryEngine({ snapshotDirectory }) })],
        providers: [Other],
      })
        .setLogger(new RecordingNestLogger())
        .compile();
    const failed = await compile();
    await rejectionOf(failed.init());
    // Nest 11 does not end an application that failed to start, and says so with the same error.
    await failed.close().catch(() => undefined);
    await failed.get(EventStore).close();
    fails = false;

    const app = closedAfterTest(await compile());
    await app.init();

    expect(await app.get(EventStore).readAll()).toMatchObject({ events: [] });
  },
);

describe('a handler', () => {
  it('of an abstract base runs on each class that extends it, and calls what that one has', async () => {
    abstract class Projection<Data> {
      @OnStreamEvent({ streams: 'order-*' })
      on(@EventData() data: Data): void {
        this.project(data);
      }

      protected abstract project(data: Data): void;
    }
    @Injectable()
    class Totals extends Projection<number> {
      total = 0;
      protected project(data: number): void {
        this.total += data;
      }
    }
    @Injectable()
    class Texts extends Projection<number> {
      text = '';
      protected project(data: number): void {
        this.text += data;
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Totals, Texts] });
    await app.get(EventStore).append('order-1', numbered(1, 3));
    await app.get(StreamSubscriptions).whenSettled();

    expect([app.get(Totals).total, app.get(Texts).text]).toEqual([6, '123']);
    expect((await app.get(StreamSubscriptions).list()).map(({ name }) => name)).toEqual(['Totals.on', 'Texts.on']);
  });

  it('of a class that a function makes is found, extended or not', async () => {
    const seen: string[] = [];
    function counting(stream: string): Type {
      @Injectable()
      class Counting {
        @OnStreamEvent(stream, { durable: `counting-${stream}` })
        on({ streamId }: RecordedEvent): void {
          seen.push(streamId);
        }
      }
      return Counting;
    }
    @Injectable()
    class Orders extends counting('orders') {}
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Orders, counting('bills')] });
    await app.get(EventStore).append('orders', { type: 'placed' });
    await app.get(EventStore).append('bills', { type: 'sent' });
    await app.get(StreamSubscriptions).whenSettled();

    expect(seen.sort()).toEqual(['bills', 'orders']);
  });
});

describe('handlers are called once', () => {
  /** Gets no message. */
  class SilentServer extends Server {
    listen(done: () => void): void {
      done();
    }
    close(): void {}
    on(): void {}
    unwrap<T>(): T {
      return undefined as T;
    }
  }
  const seen: number[] = [];

  @Injectable()
  class Handler {
    @OnStreamEvent('orders')
    on({ position }: RecordedEvent): void {
      seen.push(position);
    }
  }
  @Module({ imports: [EventStoreModule.forRootAsync({ useFactory: () => ({}) })], providers: [Handler] })
  class AppModule {}

  it.each([
    [
      'in a microservice',
      async () => {
        const app = await NestFactory.createMicroservice(AppModule, { strategy: new SilentServer(), logger: false });
        await app.listen();
        return app;
      },
    ],
    [
      'in an application that listens to messages, too',
      async () => {
        const app = await NestFactory.create(AppModule, { logger: false });
        app.connectMicroservice({ strategy: new SilentServer() }, { inheritAppConfig: true });
        await app.startAllMicroservices();
        await app.init();
        return app;
      },
    ],
  ])('%s', async (_what, start) => {
    seen.length = 0;
    const app = closedAfterTest(await start());
    await app.get(EventStore).append('orders', numbered(1, 2));
    await app.get(StreamSubscriptions).whenSettled();

    expect(seen).toEqual([1, 2]);
  });
});
