import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  type ExceptionFilter,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import {
  DeadLetters,
  END,
  EventData,
  EventStore,
  EventStoreModule,
  OnStreamEvent,
  openEventStore,
  type EventStoreOptions,
  type RecordedEvent,
  START,
  type StreamEventContext,
  StreamSubscriptions,
  type Subscription,
} from 'nestjs-stream-store';
import { AuditTrailModule } from 'nestjs-stream-store/audit';
import { EventEmitterBridgeModule } from 'nestjs-stream-store/event-emitter';
import { ManualClock } from 'nestjs-stream-store/testing';
import { ADAPTERS, startHttpApp } from '../http/http-app.js';
import { SseClient } from '../http/sse-client.js';
import { until } from '../support/waiting/collect.js';
import { numbered } from '../support/events.js';
import { closedAfterTest, RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

// Every callback of the package, by whose asynchronous context it has to run in. Whoever adds a callback adds it here.

const context = new AsyncLocalStorage<string>();

/** Where a callback was called, in order. */
const seen: (string | undefined)[] = [];
const note = (..._args: unknown[]): void => void seen.push(context.getStore());

const as = <Result>(who: string, work: () => Result): Result => context.run(who, work);

/** Enters who a request comes from, as middleware of an application does. */
@Module({})
class Requests implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    const enterClient = (request: IncomingMessage, _response: unknown, next: () => void): void =>
      as(String(request.headers['x-client']), next);
    consumer.apply(enterClient).forRoutes('{*path}');
  }
}

const stores: EventStore[] = [];

afterEach(async () => {
  seen.length = 0;
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

/** Made by `owner`, opened by `opener`. */
async function storeOf(options: EventStoreOptions = {}): Promise<EventStore> {
  const store = await as('owner', () => openEventStore(options));
  stores.push(store);
  return store;
}

const append = (store: EventStore, from = 1, to = from) =>
  as('writer', () => store.append('orders', numbered(from, to)));

/** Reads on in a context of its own. */
function readOn(subscription: Subscription): void {
  void as('reader', async () => {
    for await (const event of subscription) void event;
  });
}

describe('a callback runs in the context of whoever registered it, when it is', () => {
  it('onCaughtUp of a subscription', async () => {
    const store = await storeOf();
    const subscription = as('subscriber', () => store.subscribe('orders', START, { onCaughtUp: note }));
    readOn(subscription);
    await until(() => seen.length > 0, 'the first rest');
    await append(store);
    await until(() => seen.length > 1, 'the second rest');

    expect(seen).toEqual(['subscriber', 'subscriber']);
  });

  it('onGap of a subscription', async () => {
    const clock = new ManualClock();
    const store = await storeOf({ clock, retentionDuration: 1_000 });
    await append(store, 1, 3);
    const subscription = as('subscriber', () => store.subscribe('orders', 1, { batchSize: 1, onGap: note }));
    clock.jump(5_000);
    await append(store, 4);
    await as('sweeper', () => store.sweep());
    readOn(subscription);
    await until(() => seen.length > 0, 'the gap');

    expect(seen).toEqual(['subscriber']);
  });

  it('an observer of a subscription, from its first event to its end', async () => {
    const store = await storeOf();
    const observable = as('maker', () => store.subscribe('orders', START).asObservable());
    await append(store);
    as('subscriber', () => observable.subscribe({ next: note, complete: note }));
    await until(() => seen.length === 1, 'the history');
    await append(store, 2);
    await until(() => seen.length === 2, 'the live event');
    await as('closer', () => store.close());
    await until(() => seen.length === 3, 'the end');

    expect(seen).toEqual(['subscriber', 'subscriber', 'subscriber']);
  });

  it('each of two observers of one subscription', async () => {
    const store = await storeOf();
    const observable = store.subscribe('orders', END).asObservable();
    as('one', () => observable.subscribe(note));
    as('two', () => observable.subscribe(note));
    for (let number = 1; number <= 4; number++) await append(store, number);
    await until(() => seen.length === 4, 'all events');

    expect(['one', 'two']).toEqual(expect.arrayContaining(seen));
  });

  it.each<[string, (subscription: Subscription) => AsyncIterable<unknown>]>([
    ['a loop over a subscription', (subscription) => subscription],
    ['a loop over its batches', (subscription) => subscription.batches()],
  ])('%s', async (_what, face) => {
    const store = await storeOf();
    const subscription = store.subscribe('orders', END);
    void as('reader', async () => {
      for await (const events of face(subscription)) note(events);
    });
    await append(store);
    await until(() => seen.length === 1, 'the first');
    await append(store, 2);
    await until(() => seen.length === 2, 'the second');

    expect(seen).toEqual(['reader', 'reader']);
  });

  it('onProgress of a replay', async () => {
    const store = await storeOf();
    await append(store, 1, 3);
    const replay = as('owner', () => store.replay(undefined, undefined, { batchSize: 1, onProgress: note }));
    await as('reader', async () => {
      for await (const event of replay) void event;
    });

    expect(seen).toEqual(['owner', 'owner', 'owner']);
  });

  it('an observer of a replay', async () => {
    const store = await storeOf();
    await append(store, 1, 2);
    const observable = store.replay().asObservable();
    as('subscriber', () => observable.subscribe({ next: note, complete: note }));
    await until(() => seen.length === 3, 'the end');

    expect(seen).toEqual(['subscriber', 'subscriber', 'subscriber']);
  });

  it.each<[string, (store: EventStore, clock: ManualClock) => unknown]>([
    ['a sweep that somebody asks for', (store) => as('sweeper', () => store.sweep())],
    ['a sweep that is due', (_store, clock) => as('mover', () => clock.advance(1_000))],
  ])('onExpire, at %s', async (_what, sweep) => {
    const clock = new ManualClock();
    const store = await storeOf({ clock, retentionDuration: 1_000, onExpire: note });
    await append(store);
    clock.jump(1_050);
    await sweep(store, clock);
    await until(() => seen.length > 0, 'the sweep');

    expect(seen).toEqual(['owner']);
  });

  it.each(ADAPTERS)(
    'the access rule of a live client, whoever came first, and whoever appends, on %s',
    async (adapter) => {
      const asked = new Set<string>();
      const access = (request: unknown) => ({
        canRead: () => {
          note();
          asked.add(`${(request as IncomingMessage).headers['x-client'] as string} in ${seen.at(-1)}`);
          return true;
        },
        canWrite: () => true,
        isOperator: false,
      });
      const { store, url } = await startHttpApp(adapter, {
        http: { access },
        imports: [Requests],
      });
      const clients = [];
      for (const client of ['a', 'b', 'c']) {
        clients.push(await new SseClient(`${url}/events`, { 'x-client': client }).opened());
      }
      asked.clear();
      await append(store);
      await Promise.all(clients.map((client) => client.received(1)));

      // How often a rule is asked about an event is not said.
      expect([...asked].sort()).toEqual(['a in a', 'b in b', 'c in c']);
    },
  );
});

describe('a callback runs in the context of the call that it belongs to, when it is', () => {
  it('a metrics collector that is told of an append, or an instrumentation around it', async () => {
    const aroundAppend = (_append: unknown, call: () => Promise<unknown>) => {
      note();
      return call();
    };
    const store = await storeOf({ metricsCollector: { onAppend: note }, instrumentation: { aroundAppend } });
    await append(store);

    expect(seen).toEqual(['writer', 'writer']);
  });

  it('a function of a rule of the event emitter bridge that appends', async () => {
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot(),
        EventEmitterBridgeModule.register({
          append: [{ on: 'placed', stream: () => (note(), 'orders'), data: () => (note(), 1) }],
        }),
      ],
    });
    await as('emitter', () => app.get(EventEmitter2).emitAsync('placed'));

    expect(seen).toEqual(['emitter', 'emitter']);
  });

  it.each(ADAPTERS)('an option of the audit trail, on %s', async (adapter) => {
    const redact = (_path: string, value: unknown) => (note(), value);
    const { send } = await startHttpApp(adapter, {
      imports: [
        Requests,
        AuditTrailModule.forRoot({
          query: ['prefix'],
          redact: redact as never,
          actor: () => (note(), 'me'),
          hashChain: true,
        }),
      ],
    });
    await Promise.all(
      ['a', 'b'].map((client) => send('GET', '/streams?prefix=x', { headers: { 'x-client': client } })),
    );

    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen)).toEqual(new Set(['a', 'b']));
  });
});

describe('nothing of anybody is there', () => {
  const DURABLE = { durable: 'handler', retry: { attempts: 2, initialDelayMs: 0 } };

  /** Each entry notes where it is, and enters something that nobody else is to see. */
  const enter = <Result>(result: Result): Result => {
    note();
    context.enterWith('left behind');
    return result;
  };
  const guard: CanActivate = { canActivate: () => enter(true) };
  const interceptor: NestInterceptor = { intercept: (_context, next) => (note(), next.handle()) };
  const pipe: PipeTransform = { transform: (value: unknown) => (note(), value) };
  const filter: ExceptionFilter = {
    catch: async () => note(),
  };

  it('in an attempt of a handler, whatever the one before has entered', async () => {
    @Injectable()
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      durable({ data }: RecordedEvent, { attempt }: StreamEventContext): void {
        enter(undefined);
        if (data === 1 && attempt === 1) throw new Error('once more');
      }

      @OnStreamEvent('orders')
      async live(): Promise<void> {
        await Promise.resolve();
        enter(undefined);
      }

      @OnStreamEvent({ streams: 'orders' }, { ...DURABLE, durable: 'several', concurrency: 4 })
      several(): void {
        enter(undefined);
      }
    }
    const app = await as('starter', () => startApp({ imports: [EventStoreModule.forRoot()], providers: [Handler] }));
    const subscriptions = app.get(StreamSubscriptions);
    await append(app.get(EventStore), 1, 2);
    await subscriptions.whenSettled();
    await as('operator', () => subscriptions.pause('handler'));
    await as('operator', () => subscriptions.resume('handler'));
    await append(app.get(EventStore), 3);
    await subscriptions.whenSettled();

    expect(seen).toEqual(Array(10).fill(undefined));
  });

  it('in what stands before a handler, unless that has entered it for this attempt', async () => {
    @Injectable()
    class Handler {
      @UseGuards(guard)
      @OnStreamEvent('orders', DURABLE)
      guarded(): void {
        note();
      }

      @UseInterceptors(interceptor)
      @UsePipes(pipe)
      @UseFilters(filter)
      @OnStreamEvent('orders', { ...DURABLE, durable: 'piped' })
      piped(@EventData() _data: unknown): void {
        throw new Error('broken');
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Handler] });
    await append(app.get(EventStore), 1, 2);
    await app.get(StreamSubscriptions).whenSettled();

    const guarded = [undefined, 'left behind', undefined, 'left behind'];
    expect([...seen].sort()).toEqual([...guarded, ...(Array(6).fill(undefined) as undefined[])].sort());
  });

  it('in a retry that an operator asks for', async () => {
    let isBroken = true;
    @Injectable()
    class Handler {
      @OnStreamEvent('orders', { ...DURABLE, onFailure: 'park-stream' })
      on(): void {
        note();
        if (isBroken) throw new Error('broken');
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Handler] });
    await append(app.get(EventStore), 1, 2);
    await app.get(StreamSubscriptions).whenSettled();
    isBroken = false;
    const [{ id }] = await app.get(DeadLetters).list();
    await as('operator', () => app.get(DeadLetters).retry(id));

    expect(seen).toEqual(Array(4).fill(undefined));
  });

  it('where the instrumentation and the collector are told of an attempt, and the log of its failure', async () => {
    class NotingLogger extends RecordingNestLogger {
      override error(message: unknown, ...optional: unknown[]): void {
        note();
        super.error(message, ...optional);
      }
    }
    const aroundHandler = (_handling: unknown, call: () => Promise<void>) => enter(call());
    @Injectable()
    class Handler {
      @OnStreamEvent('orders', { durable: 'handler', retry: { attempts: 1 } })
      on(): void {
        throw new Error('broken');
      }
    }
    const options = { instrumentation: { aroundHandler }, metricsCollector: { onHandlerGaveUp: note } };
    const logger = new NotingLogger();
    const app = await startApp({ imports: [EventStoreModule.forRoot(options)], providers: [Handler] }, logger);
    await append(app.get(EventStore), 1, 2);
    await app.get(StreamSubscriptions).whenSettled();

    expect(logger.errors.length).toBeGreaterThan(0);
    expect(new Set(seen)).toEqual(new Set([undefined]));
  });

  it('in a listener of the event emitter that gets a stored event', async () => {
    @Injectable()
    class Listener {
      @OnEvent('counted')
      on(): void {
        enter(undefined);
      }
    }
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot(),
        EventEmitterBridgeModule.register({ emit: [{ target: 'orders', as: () => (note(), 'counted') }] }),
      ],
      providers: [Listener],
    });
    await append(app.get(EventStore), 1, 2);
    await app.get(StreamSubscriptions).whenSettled();

    expect(seen).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('where the end of the application aborts a handler; its own context is', async () => {
    const clock = new ManualClock();
    @Injectable()
    class Handler {
      @OnStreamEvent('orders', { timeoutMs: 0 })
      async on(_event: RecordedEvent, { signal }: StreamEventContext): Promise<void> {
        signal.addEventListener('abort', note);
        note();
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      }
    }
    const app = closedAfterTest(
      await startApp({ imports: [EventStoreModule.forRoot({ clock })], providers: [Handler] }),
    );
    await append(app.get(EventStore));
    await until(() => seen.length === 1, 'the attempt');
    const closed = as('closer', () => app.close());
    await until(() => (clock.advance(10_000), seen.length === 2), 'the abort');
    await closed;

    expect(seen).toEqual([undefined, undefined]);
  });
});
