import { describe, expect, it } from '@jest/globals';
import { Controller, Inject, Injectable, Module, Scope } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import {
  Cursor,
  END,
  EventStore,
  EventStoreModule,
  getEventStoreToken,
  InjectEventStore,
  OnStreamEvent,
  type RecordedEvent,
  START,
  type StreamEventContext,
  type SubscriptionStart,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { until } from '../support/waiting/collect.js';
import { numbered } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { engineWithHistory } from '../support/engines/around-engine.js';
import { closedAfterTest, RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

/** What the handlers of one test were called with. */
class Seen {
  readonly data: unknown[] = [];

  async reached(count: number): Promise<void> {
    await until(() => this.data.length >= count, `call ${count}`);
    // A call too many would come by now.
    await settled();
    await settled();
  }
}

const seenBy = (seen: Seen) => ({ provide: Seen, useValue: seen });

describe('a method with @OnStreamEvent', () => {
  it('of a provider is called with every event from now on, and its context', async () => {
    @Injectable()
    class Mailer {
      readonly calls: [RecordedEvent, StreamEventContext][] = [];

      @OnStreamEvent('orders')
      onOrder(event: RecordedEvent, context: StreamEventContext): void {
        this.calls.push([event, context]);
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Mailer] });
    const store = app.get(EventStore);
    const { calls } = app.get(Mailer);

    await store.append('orders', { type: 'order.placed', data: { price: 3 } });
    await store.append('others', { type: 'other' });
    await store.append('orders', { type: 'order.paid' });
    await until(() => calls.length === 2, 'the second call');

    expect(calls.map(([event]) => event)).toEqual(await store.readStream('orders'));
    expect(calls.map(([, { signal, ...context }]) => [signal.aborted, context])).toEqual(
      Array(2).fill([false, { subscription: 'Mailer.onOrder', store: 'memory-store', attempt: 1 }]),
    );
  });

  it('of a controller is called too', async () => {
    @Controller('orders')
    class OrdersController {
      readonly seen = new Seen();

      @OnStreamEvent('orders')
      onOrder({ data }: RecordedEvent): void {
        this.seen.data.push(data);
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], controllers: [OrdersController] });

    await app.get(EventStore).append('orders', numbered(1, 2));
    await app.get(OrdersController).seen.reached(2);

    expect(app.get(OrdersController).seen.data).toEqual([1, 2]);
  });

  it('of a value and of what a factory made is called too', async () => {
    class Plain {
      constructor(
        private readonly name: string,
        private readonly seen: Seen,
      ) {}

      @OnStreamEvent('orders')
      onOrder({ data }: RecordedEvent): void {
        this.seen.data.push([this.name, data]);
      }
    }
    const seen = new Seen();
    const app = await startApp({
      imports: [EventStoreModule.forRoot()],
      providers: [
        { provide: 'VALUE', useValue: new Plain('value', seen) },
        { provide: 'FACTORY', useFactory: async () => new Plain('factory', seen) },
      ],
    });

    await app.get(EventStore).append('orders', numbered(1, 1));
    await seen.reached(2);

    expect(seen.data.sort()).toEqual([
      ['factory', 1],
      ['value', 1],
    ]);
  });

  it('is inherited, and called on each class that inherits it', async () => {
    abstract class Base {
      constructor(@Inject(Seen) private readonly seen: Seen) {}

      @OnStreamEvent('orders')
      onOrder({ data }: RecordedEvent, { subscription }: StreamEventContext): void {
        this.seen.data.push([subscription, this.constructor.name, data]);
      }
    }

    @Injectable()
    class One extends Base {}

    @Injectable()
    class Two extends Base {}

    const seen = new Seen();
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [One, Two, seenBy(seen)] });
    await app.get(EventStore).append('orders', numbered(1, 1));
    await seen.reached(2);

    expect(seen.data.sort()).toEqual([
      ['One.onOrder', 'One', 1],
      ['Two.onOrder', 'Two', 1],
    ]);
  });

  it('that a subclass overrides is no handler any more, unless it is decorated again', async () => {
    class Base {
      constructor(@Inject(Seen) readonly seen: Seen) {}

      @OnStreamEvent('orders')
      onOrder(_event: RecordedEvent): void {
        this.seen.data.push('base');
      }
    }

    @Injectable()
    class Silent extends Base {
      override onOrder(_event: RecordedEvent): void {
        this.seen.data.push('silent');
      }
    }

    @Injectable()
    class Loud extends Base {
      @OnStreamEvent('orders')
      override onOrder(_event: RecordedEvent): void {
        this.seen.data.push('loud');
      }
    }

    const seen = new Seen();
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Silent, Loud, seenBy(seen)] });
    await app.get(EventStore).append('orders', numbered(1, 1));
    await seen.reached(1);

    expect(seen.data).toEqual(['loud']);
  });

  it('may be decorated several times: each is a subscription of its own', async () => {
    @Injectable()
    class Counter {
      readonly seen = new Seen();

      @OnStreamEvent('orders')
      @OnStreamEvent({ streams: 'user-*' })
      @OnStreamEvent({ all: true, types: ['paid'] })
      count({ streamId, type }: RecordedEvent): void {
        this.seen.data.push(`${streamId} ${type}`);
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Counter] });
    const { seen } = app.get(Counter);
    const store = app.get(EventStore);

    await store.append('orders', [{ type: 'placed' }, { type: 'paid' }]);
    await store.append('user-1', { type: 'joined' });
    await store.append('noise', { type: 'made' });
    await seen.reached(4);

    // The second event is for two of the three.
    expect(seen.data.sort()).toEqual(['orders paid', 'orders paid', 'orders placed', 'user-1 joined']);
    expect((await store.stats()).subscriptionsActive).toBe(3);
  });

  it.each<[string, SubscriptionTarget, number[]]>([
    ['a stream id', 'order-1', [1, 2]],
    ['{ stream, types }', { stream: 'order-1', types: ['paid'] }, [2]],
    ['{ streams }', { streams: 'order-*' }, [1, 2, 3]],
    ['{ streams, types }', { streams: 'order-*', types: ['pl*'] }, [1, 3]],
    ['{ all }', { all: true }, [1, 2, 3, 4]],
    ['{ all, types }', { all: true, types: ['joined', 'paid'] }, [2, 4]],
  ])('gets the events of its target: %s', async (_what, target, expected) => {
    @Injectable()
    class Handler {
      readonly seen = new Seen();

      @OnStreamEvent(target)
      on({ data }: RecordedEvent): void {
        this.seen.data.push(data);
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Handler] });
    const { seen } = app.get(Handler);
    const store = app.get(EventStore);

    await store.append('order-1', { type: 'placed', data: 1 });
    await store.append('order-1', { type: 'paid', data: 2 });
    await store.append('order-2', { type: 'placed', data: 3 });
    await store.append('user-1', { type: 'joined', data: 4 });
    await seen.reached(expected.length);

    expect(seen.data).toEqual(expected);
  });

  it.each<[string, SubscriptionStart | undefined, number[]]>([
    ['nothing given: with what is appended since the application started', undefined, [4]],
    ['END', END, [4]],
    ['START', START, [1, 2, 3, 4]],
    ['a position', 2, [3, 4]],
    ['a cursor', new Cursor('orders', 1), [2, 3, 4]],
  ])('begins where it is told: %s', async (_what, from, expected) => {
    @Injectable()
    class Handler {
      readonly seen = new Seen();

      @OnStreamEvent('orders', from === undefined ? {} : { from })
      on({ data }: RecordedEvent): void {
        this.seen.data.push(data);
      }
    }
    const engine = await engineWithHistory('orders', numbered(1, 3));
    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Handler] });
    const { seen } = app.get(Handler);

    await app.get(EventStore).append('orders', numbered(4, 4));
    await seen.reached(expected.length);

    expect(seen.data).toEqual(expected);
  });

  it('listens to the store that is named, else to the one that the class means', async () => {
    @Injectable()
    class Handler {
      readonly seen = new Seen();

      @OnStreamEvent('orders', { store: 'audit' })
      onAudit({ data }: RecordedEvent, { store }: StreamEventContext): void {
        this.seen.data.push([store, data]);
      }

      @OnStreamEvent('orders')
      onDefault({ data }: RecordedEvent, { store }: StreamEventContext): void {
        this.seen.data.push([store, data]);
      }
    }
    const app = await startApp({
      imports: [EventStoreModule.forRoot({ name: 'audit' }), EventStoreModule.forRoot()],
      providers: [Handler],
    });

    await app.get<EventStore>(getEventStoreToken('audit')).append('orders', numbered(1, 1));
    await app.get<EventStore>(getEventStoreToken('memory-store')).append('orders', numbered(2, 2));
    const { seen } = app.get(Handler);
    await seen.reached(2);

    expect(seen.data.sort()).toEqual([
      ['audit', 1],
      ['memory-store', 2],
    ]);
  });

  it('listens to the store that the class means where the handler stands', async () => {
    @Injectable()
    class Handler {
      readonly seen = new Seen();

      constructor(readonly store: EventStore) {}

      @OnStreamEvent('orders')
      on({ data }: RecordedEvent, { store }: StreamEventContext): void {
        this.seen.data.push([store, data]);
      }
    }

    @Module({ imports: [EventStoreModule.forRoot({ name: 'local', isGlobal: false })], providers: [Handler] })
    class LocalModule {}

    const app = await startApp({ imports: [EventStoreModule.forRoot(), LocalModule] });
    const { seen, store } = app.get(Handler, { strict: false });

    await store.append('orders', numbered(1, 1));
    await seen.reached(1);

    expect(seen.data).toEqual([['local', 1]]);
  });

  it('is called for one event after the other, in order, however long it takes', async () => {
    @Injectable()
    class Slow {
      readonly log: string[] = [];

      @OnStreamEvent('orders')
      async on({ position }: RecordedEvent): Promise<void> {
        this.log.push(`begin ${position}`);
        for (let turn = 0; turn < 3; turn++) await settled();
        this.log.push(`end ${position}`);
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Slow] });
    const { log } = app.get(Slow);

    for (let index = 1; index <= 5; index++) await app.get(EventStore).append('orders', numbered(index, index));
    await until(() => log.length === 10, 'the end of the fifth call');

    expect(log).toEqual([1, 2, 3, 4, 5].flatMap((position) => [`begin ${position}`, `end ${position}`]));
  });

  it('does not wait for another handler', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));

    @Injectable()
    class Handlers {
      readonly seen = new Seen();

      @OnStreamEvent('orders')
      slow(): Promise<void> {
        return released;
      }

      @OnStreamEvent('orders')
      quick({ data }: RecordedEvent): void {
        this.seen.data.push(data);
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Handlers] });
    const { seen } = app.get(Handlers);

    await app.get(EventStore).append('orders', numbered(1, 20));
    await seen.reached(20);
    release();

    expect(seen.data).toHaveLength(20);
  });

  it('can append to the stream that it listens to', async () => {
    @Injectable()
    class Countdown {
      readonly seen = new Seen();

      constructor(@InjectEventStore() private readonly store: EventStore) {}

      @OnStreamEvent('countdown')
      async on({ data }: RecordedEvent): Promise<void> {
        this.seen.data.push(data);
        if (Number(data) > 0) await this.store.append('countdown', { type: 'counted', data: Number(data) - 1 });
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Countdown] });
    const { seen } = app.get(Countdown);

    await app.get(EventStore).append('countdown', { type: 'counted', data: 5 });
    await seen.reached(6);

    expect(seen.data).toEqual([5, 4, 3, 2, 1, 0]);
  });

  it('is called once for each event, however many names its instance has', async () => {
    @Injectable()
    class Handler {
      readonly seen = new Seen();

      @OnStreamEvent('orders')
      on({ data }: RecordedEvent): void {
        this.seen.data.push(data);
      }
    }
    const app = await startApp({
      imports: [EventStoreModule.forRoot()],
      providers: [
        { provide: 'ALIAS_BEFORE', useExisting: Handler },
        Handler,
        { provide: 'ALIAS', useExisting: Handler },
        { provide: 'ALIAS_OF_ALIAS', useExisting: 'ALIAS' },
        { provide: 'FACTORY', useFactory: (handler: Handler) => handler, inject: [Handler] },
      ],
    });
    const { seen } = app.get(Handler);

    await app.get(EventStore).append('orders', numbered(1, 2));
    await seen.reached(2);

    expect(seen.data).toEqual([1, 2]);
  });

  it('of a class that two modules provide is called on both instances', async () => {
    const seen = new Seen();

    @Injectable()
    class Handler {
      @OnStreamEvent('orders')
      on({ data }: RecordedEvent): void {
        seen.data.push(data);
      }
    }

    @Module({ providers: [Handler] })
    class One {}

    @Module({ providers: [Handler] })
    class Two {}

    const app = await startApp({ imports: [EventStoreModule.forRoot(), One, Two] });
    await app.get(EventStore).append('orders', numbered(1, 1));
    await seen.reached(2);

    expect(seen.data).toEqual([1, 1]);
  });

  it('is not called before the application was initialised', async () => {
    @Injectable()
    class Handler {
      readonly seen = new Seen();

      @OnStreamEvent('orders', { from: START })
      on({ data }: RecordedEvent): void {
        this.seen.data.push(data);
      }
    }
    const compiled = await Test.createTestingModule({ imports: [EventStoreModule.forRoot()], providers: [Handler] })
      .setLogger(new RecordingNestLogger())
      .compile();
    const app = closedAfterTest(compiled);
    await app.get(EventStore).append('orders', numbered(1, 1));
    await settled();
    const before = [...app.get(Handler).seen.data];

    await app.init();
    await app.get(Handler).seen.reached(1);

    expect([before, app.get(Handler).seen.data]).toEqual([[], [1]]);
  });
});

describe('a handler whose class is made anew', () => {
  const seen = new Seen();

  @Injectable({ scope: Scope.REQUEST })
  class PerEvent {
    readonly calls: unknown[] = [];

    constructor(
      @Inject(REQUEST) readonly request: RecordedEvent,
      readonly store: EventStore,
    ) {}

    @OnStreamEvent('orders')
    on(event: RecordedEvent): void {
      this.calls.push(event.data);
      seen.data.push([this.calls, this.request === event, this.store.name]);
    }
  }

  @Injectable()
  class NeedsPerEvent {
    constructor(readonly perEvent: PerEvent) {}

    @OnStreamEvent('orders')
    on({ data }: RecordedEvent): void {
      seen.data.push([data, this.perEvent.request.data]);
    }
  }

  @Injectable({ scope: Scope.TRANSIENT })
  class Transient {
    readonly calls: unknown[] = [];

    @OnStreamEvent('orders')
    on({ data }: RecordedEvent): void {
      this.calls.push(data);
      seen.data.push(this.calls);
    }
  }

  it('for each request is made for each event, which is the request', async () => {
    seen.data.length = 0;
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [PerEvent] });

    await app.get(EventStore).append('orders', numbered(1, 2));
    await seen.reached(2);

    expect(seen.data).toEqual([
      [[1], true, 'memory-store'],
      [[2], true, 'memory-store'],
    ]);
  });

  it('because something it injects is, is made for each event', async () => {
    seen.data.length = 0;
    const app = await startApp({
      imports: [EventStoreModule.forRoot()],
      providers: [NeedsPerEvent, { provide: PerEvent, useClass: PerEvent }],
    });

    await app.get(EventStore).append('orders', numbered(1, 1));
    await seen.reached(2);

    expect(seen.data).toContainEqual([1, 1]);
  });

  it('for each request is found under another name, too', async () => {
    seen.data.length = 0;
    const app = await startApp({
      imports: [EventStoreModule.forRoot()],
      providers: [{ provide: 'PER_EVENT', useClass: PerEvent }],
    });

    await app.get(EventStore).append('orders', numbered(1, 1));
    await seen.reached(1);

    expect(seen.data).toEqual([[[1], true, 'memory-store']]);
  });

  it('because it is transient has been constructed when it is called', async () => {
    seen.data.length = 0;
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Transient] });

    await app.get(EventStore).append('orders', numbered(1, 1));
    await seen.reached(1);

    expect(seen.data).toEqual([[1]]);
  });
});

it('providers of any shape beside the handlers do no harm', async () => {
  class Base {
    run(): string {
      return 'run';
    }

    get danger(): never {
      throw new Error('a getter was touched');
    }
  }

  @Injectable()
  class HidesMethod extends Base {
    override run = undefined as never;
  }

  @Injectable()
  class HidesMethodWithText extends Base {
    override run = 'text' as never;
  }

  const values = [
    undefined,
    null,
    0,
    'text',
    Symbol('s'),
    () => undefined,
    [],
    new Map(),
    Object.create(null),
    new Base(),
  ];
  const app = await startApp({
    imports: [EventStoreModule.forRoot()],
    providers: [
      HidesMethod,
      HidesMethodWithText,
      ...values.map((value: unknown, index) => ({ provide: `VALUE_${index}`, useFactory: () => value })),
    ],
  });

  expect(app.get(EventStore)).toBeInstanceOf(EventStore);
});

it('two applications in one process share nothing', async () => {
  @Injectable()
  class Handler {
    readonly seen = new Seen();

    @OnStreamEvent('orders')
    on({ data }: RecordedEvent): void {
      this.seen.data.push(data);
    }
  }

  @Module({ imports: [EventStoreModule.forRoot(), EventStoreModule.forRoot({ name: 'audit' })], providers: [Handler] })
  class AppModule {}

  // The same module class twice, as the tests of an application start it again and again.
  const [one, two] = [await startApp({ imports: [AppModule] }), await startApp({ imports: [AppModule] })];
  const handlers = [one, two].map((app) => app.get(Handler, { strict: false }));

  await one.get(EventStore).append('orders', numbered(1, 1));
  await two.get(EventStore).append('orders', numbered(2, 3));
  await handlers[0].seen.reached(1);
  await handlers[1].seen.reached(2);
  await one.close();
  await two.get(EventStore).append('orders', numbered(4, 4));
  await handlers[1].seen.reached(3);

  expect(handlers.map(({ seen }) => seen.data)).toEqual([[1], [2, 3, 4]]);
});
