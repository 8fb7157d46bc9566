import { describe, expect, it } from '@jest/globals';
import { Injectable, Module, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import {
  END,
  EventStore,
  EventStoreModule,
  getEventStoreToken,
  memoryEngine,
  OnStreamEvent,
  type OnStreamEventOptions,
  type RecordedEvent,
  type StreamEventContext,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { ENGINES } from '../support/engines/around-engine.js';
import { numbered } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

/** A provider whose handler keeps what it gets. */
function recorder(options: OnStreamEventOptions, target = 'orders') {
  @Injectable()
  class Recorder {
    readonly seen: unknown[] = [];
    readonly contexts: StreamEventContext[] = [];

    @OnStreamEvent(target, options)
    on({ data }: RecordedEvent, context: StreamEventContext): void {
      this.seen.push(data);
      this.contexts.push(context);
    }
  }
  return Recorder;
}

describe('a durable handler of an application', () => {
  it('gets what was appended before the application started, and afterwards', async () => {
    const engine = memoryEngine();
    const before = await startApp({ imports: [EventStoreModule.forRoot({ engine })] });
    await before.get(EventStore).append('orders', numbered(1, 2));
    await before.close();
    const Billing = recorder({ durable: 'billing' });

    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Billing] });
    await app.get(EventStore).append('orders', numbered(3, 3));
    await app.get(StreamSubscriptions).whenSettled();

    const { seen, contexts } = app.get(Billing);
    expect(seen).toEqual([1, 2, 3]);
    expect(contexts[0]).toMatchObject({ subscription: 'billing', store: 'memory-store', attempt: 1 });
  });

  it('goes on where it was when the application starts again', async () => {
    const engine = memoryEngine();
    const Billing = recorder({ durable: 'billing' });
    const metadata = { imports: [EventStoreModule.forRoot({ engine })], providers: [Billing] };
    const seen: unknown[] = [];

    for (let start = 1; start <= 3; start++) {
      const app = await startApp(metadata);
      await app.get(EventStore).append('orders', numbered(start, start));
      await app.get(StreamSubscriptions).whenSettled();
      seen.push(app.get(Billing).seen);
      await app.close();
    }

    expect(seen).toEqual([[1], [2], [3]]);
  });

  it('begins the first time where it is told, and remembers it although nothing came', async () => {
    const engine = memoryEngine();
    const Billing = recorder({ durable: 'billing', from: END });
    const metadata = { imports: [EventStoreModule.forRoot({ engine })], providers: [Billing] };
    const empty = await startApp({ imports: [EventStoreModule.forRoot({ engine })] });
    await empty.get(EventStore).append('orders', numbered(1, 2));
    await empty.close();

    await (await startApp(metadata)).close();
    const other = await startApp({ imports: [EventStoreModule.forRoot({ engine })] });
    await other.get(EventStore).append('orders', numbered(3, 4));
    await other.close();
    const app = await startApp(metadata);
    await app.get(StreamSubscriptions).whenSettled();

    expect(app.get(Billing).seen).toEqual([3, 4]);
  });

  it('of several streams at a time keeps the order within each', async () => {
    @Injectable()
    class Slow {
      readonly seen: string[] = [];
      atWork = 0;
      mostAtWork = 0;

      @OnStreamEvent({ streams: 'order-*' }, { durable: 'slow', concurrency: 3 })
      async on({ streamId, position }: RecordedEvent): Promise<void> {
        this.mostAtWork = Math.max(this.mostAtWork, ++this.atWork);
        for (let turn = 0; turn < position % 3; turn++) await settled();
        this.seen.push(`${streamId} ${position}`);
        this.atWork--;
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Slow] });
    const streams = ['order-1', 'order-2', 'order-3', 'order-4'];

    for (let round = 0; round < 5; round++) {
      for (const streamId of streams) await app.get(EventStore).append(streamId, { type: 'changed' });
    }
    await app.get(StreamSubscriptions).whenSettled();

    const { seen, mostAtWork } = app.get(Slow);
    for (const streamId of streams) {
      const expected = [1, 2, 3, 4, 5].map((position) => `${streamId} ${position}`);
      expect(seen.filter((line) => line.startsWith(streamId))).toEqual(expected);
    }
    expect(mostAtWork).toBe(3);
  });

  it('on a named store has its checkpoint there', async () => {
    const [main, audit] = [memoryEngine(), memoryEngine()];
    const Billing = recorder({ durable: 'billing', store: 'audit' });
    const metadata = {
      imports: [EventStoreModule.forRoot({ engine: main }), EventStoreModule.forRoot({ name: 'audit', engine: audit })],
      providers: [Billing],
    };
    const first = await startApp(metadata);
    await first.get<EventStore>(getEventStoreToken('audit')).append('orders', numbered(1, 1));
    await first.get(EventStore).append('orders', numbered(7, 9));
    await first.get(StreamSubscriptions).whenSettled();
    await first.close();

    const second = await startApp(metadata);
    await second.get<EventStore>(getEventStoreToken('audit')).append('orders', numbered(2, 2));
    await second.get(StreamSubscriptions).whenSettled();

    expect(second.get(Billing).seen).toEqual([2]);
    expect(second.get(Billing).contexts[0].store).toBe('audit');
  });

  it('beside others on the same method: each has a checkpoint of its own', async () => {
    const engine = memoryEngine();

    @Injectable()
    class Twice {
      readonly seen: string[] = [];

      @OnStreamEvent('orders', { durable: 'first' })
      @OnStreamEvent({ all: true }, { durable: 'second' })
      @OnStreamEvent('orders')
      on({ data }: RecordedEvent<number>, { subscription }: StreamEventContext): void {
        this.seen.push(`${subscription} ${data}`);
      }
    }
    const metadata = { imports: [EventStoreModule.forRoot({ engine })], providers: [Twice] };
    const app = await startApp(metadata);
    await app.get(EventStore).append('orders', numbered(1, 1));
    await app.get(StreamSubscriptions).whenSettled();

    expect(app.get(Twice).seen.sort()).toEqual(['Twice.on 1', 'first 1', 'second 1']);
    await app.close();
    const again = await startApp(metadata);
    await again.get(StreamSubscriptions).whenSettled();
    expect(again.get(Twice).seen).toEqual([]);
  });

  it('is one handler, however many names its instance has', async () => {
    const Billing = recorder({ durable: 'billing' });
    const app = await startApp({
      imports: [EventStoreModule.forRoot()],
      providers: [
        { provide: 'ALIAS_BEFORE', useExisting: Billing },
        Billing,
        { provide: 'ALIAS', useExisting: Billing },
        { provide: 'FACTORY', useFactory: (billing: object) => billing, inject: [Billing] },
      ],
    });

    await app.get(EventStore).append('orders', numbered(1, 2));
    await app.get(StreamSubscriptions).whenSettled();

    expect(app.get(Billing).seen).toEqual([1, 2]);
    expect(await app.get(StreamSubscriptions).list()).toHaveLength(1);
  });

  it('in two applications of one process shares nothing', async () => {
    const Billing = recorder({ durable: 'billing' });

    @Module({ imports: [EventStoreModule.forRoot()], providers: [Billing] })
    class AppModule {}
    const [one, two] = [await startApp({ imports: [AppModule] }), await startApp({ imports: [AppModule] })];

    await one.get(EventStore).append('orders', numbered(1, 2));
    await one.get(StreamSubscriptions).whenSettled();
    await one.close();
    await two.get(EventStore).append('orders', numbered(3, 3));
    await two.get(StreamSubscriptions).whenSettled();

    expect(one.get(Billing, { strict: false }).seen).toEqual([1, 2]);
    expect(two.get(Billing, { strict: false }).seen).toEqual([3]);
  });

  it('that fails is tried again and becomes a dead letter, which the log tells once', async () => {
    @Injectable()
    class Fragile {
      readonly attempts: number[] = [];

      @OnStreamEvent('orders', { durable: 'fragile', retry: { attempts: 3, initialDelayMs: 0 } })
      on(_event: RecordedEvent, { attempt }: StreamEventContext): void {
        this.attempts.push(attempt);
        throw new Error('broken');
      }
    }
    const logger = new RecordingNestLogger();
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Fragile] }, logger);

    await app.get(EventStore).append('orders', numbered(1, 1));
    await app.get(StreamSubscriptions).whenSettled();

    expect(app.get(Fragile).attempts).toEqual([1, 2, 3]);
    const reported = logger.errors.filter(({ context }) => context === 'EventStore');
    expect(reported).toHaveLength(1);
    expect(reported[0].message).toMatch(/^fragile failed 3 times .*dead letter.*broken/);
    expect(reported[0].stack).toContain('durable.spec');
  });
});

describe.each(ENGINES)(
  'what modules append while they start reaches durable handlers, on %s',
  (_kind, createEngine) => {
    it('of one stream and of all, once each', async () => {
      @Injectable()
      class Handler {
        readonly seen: string[] = [];

        @OnStreamEvent('starting', { durable: 'one' })
        @OnStreamEvent({ all: true }, { durable: 'all', concurrency: 4 })
        @OnStreamEvent({ all: true }, { durable: 'from-end', from: END })
        on({ type }: RecordedEvent, { subscription }: StreamEventContext): void {
          this.seen.push(`${subscription} ${type}`);
        }
      }

      @Injectable()
      class Appender implements OnModuleInit, OnApplicationBootstrap {
        constructor(private readonly store: EventStore) {
          void store.append('starting', { type: 'constructed' });
        }

        async onModuleInit(): Promise<void> {
          await this.store.append('starting', { type: 'initialised' });
        }

        async onApplicationBootstrap(): Promise<void> {
          await this.store.append('starting', { type: 'bootstrapped' });
        }
      }
      const app = await startApp({
        imports: [EventStoreModule.forRoot({ engine: createEngine() })],
        providers: [Handler, Appender],
      });

      await app.get(StreamSubscriptions).whenSettled();

      const { seen } = app.get(Handler);
      const types = ['constructed', 'initialised', 'bootstrapped'];
      const of = (name: string): string[] => seen.filter((line) => line.startsWith(`${name} `));
      expect(of('one')).toEqual(types.map((type) => `one ${type}`));
      expect(of('all')).toEqual(types.map((type) => `all ${type}`));
      // It takes its place while the modules are initialised, after those that were constructed before.
      expect(of('from-end')).toEqual(types.slice(1).map((type) => `from-end ${type}`));
    });
  },
);
