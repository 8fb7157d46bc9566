import { describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module, type OnApplicationBootstrap, Scope } from '@nestjs/common';
import { EVENT_PAYLOAD, EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import {
  DeadLetters,
  EventStore,
  EventStoreModule,
  getEventStoreToken,
  HandlerStoppedError,
  type RecordedEvent,
  START,
  type StreamEventContext,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { type EmitRule, EventEmitterBridgeModule } from 'nestjs-stream-store/event-emitter';
import { ManualClock, whenSettled } from 'nestjs-stream-store/testing';
import { engineWithHistory } from '../support/engines/around-engine.js';
import { until } from '../support/waiting/collect.js';
import { numbered, rejectionOf } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger, startApp } from '../support/servers/nest-app.js';
import { lastingEngine } from './lasting-engine.js';

const bridge = (...emit: EmitRule[]) => EventEmitterBridgeModule.register({ emit });
const FAST = { initialDelayMs: 0 };

/** Listens as an application does. */
@Injectable()
class Mailer {
  readonly calls: unknown[][] = [];

  @OnEvent('order.placed')
  onPlaced(...args: unknown[]): void {
    this.calls.push(args);
  }
}

/** Fails on the first so many calls. */
@Injectable()
class Fragile {
  readonly seen: unknown[] = [];
  failures = 2;

  @OnEvent('order.placed', { suppressErrors: false })
  async onPlaced(data: unknown): Promise<void> {
    await settled();
    this.seen.push(data);
    if (this.failures-- > 0) throw new Error('no stamps left');
  }
}

describe('a stored event', () => {
  it('comes to @OnEvent listeners of its type: its data, the event, the context', async () => {
    const app = await startApp({
      imports: [EventEmitterModule.forRoot(), EventStoreModule.forRoot(), bridge({ target: { streams: 'order-*' } })],
      providers: [Mailer],
    });
    const store = app.get(EventStore);

    await store.append('order-1', { type: 'order.placed', data: { total: 12 }, metadata: { by: 'Ada' } });
    await store.append('order-1', { type: 'order.paid' });
    await store.append('others', { type: 'order.placed' });
    await whenSettled(app);

    const [[data, event, context, ...more], ...others] = app.get(Mailer).calls;
    expect(others).toEqual([]);
    expect(more).toEqual([]);
    expect(data).toEqual({ total: 12 });
    expect(event).toBe((await store.readStream('order-1'))[0]);
    const { signal, ...rest } = context as StreamEventContext;
    expect(signal.aborted).toBe(false);
    expect(rest).toMatchObject({ subscription: 'EventEmitterBridge.emit[0]', store: 'memory-store', attempt: 1 });
  });

  it('comes to every kind of listener, also with wildcards', async () => {
    @Injectable()
    class Listeners {
      readonly heard: string[] = [];

      constructor(emitter: EventEmitter2) {
        emitter.on('order.placed', () => this.heard.push('on'));
        emitter.onAny(() => this.heard.push('any'));
        emitter.once('order.placed', () => this.heard.push('once'));
      }

      @OnEvent('order.*')
      star(): void {
        this.heard.push('*');
      }

      @OnEvent('**', { async: true })
      stars(): void {
        this.heard.push('**');
      }
    }
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot({ wildcard: true }),
        EventStoreModule.forRoot(),
        bridge({ target: 'orders' }),
      ],
      providers: [Listeners],
    });

    await app.get(EventStore).append('orders', { type: 'order.placed' });
    await until(() => app.get(Listeners).heard.length >= 5, 'the last listener');

    expect(app.get(Listeners).heard.sort()).toEqual(['*', '**', 'any', 'on', 'once']);
  });

  it('is emitted under another name on request', async () => {
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot(),
        bridge({ target: { all: true }, as: ({ streamId, type }) => `${streamId}.${type}` }),
      ],
      providers: [Mailer],
    });

    await app.get(EventStore).append('order', { type: 'placed', data: 1 });
    await app.get(EventStore).append('user', { type: 'order.placed', data: 2 });
    await whenSettled(app);

    expect(app.get(Mailer).calls.map(([data]) => data)).toEqual([1]);
  });

  it('that nobody listens to is handled', async () => {
    const app = await startApp({
      imports: [EventEmitterModule.forRoot(), EventStoreModule.forRoot(), bridge({ target: { all: true } })],
    });

    await app.get(EventStore).append('orders', numbered(1, 3));
    await whenSettled(app);

    expect(await app.get(StreamSubscriptions).list()).toMatchObject([{ position: 3, failures: 0 }]);
  });

  it('comes to a request-scoped listener, with all arguments as the payload', async () => {
    const payloads: unknown[] = [];

    @Injectable({ scope: Scope.REQUEST })
    class PerEvent {
      constructor(@Inject(EVENT_PAYLOAD) private readonly payload: unknown) {}

      @OnEvent('order.placed')
      on(): void {
        payloads.push(this.payload);
      }
    }
    const app = await startApp({
      imports: [EventEmitterModule.forRoot(), EventStoreModule.forRoot(), bridge({ target: 'orders' })],
      providers: [PerEvent],
    });

    await app.get(EventStore).append('orders', { type: 'order.placed', data: 7 });
    await whenSettled(app);

    expect(payloads).toMatchObject([[7, { type: 'order.placed' }, { attempt: 1 }]]);
  });

  it('of a named store comes too, and of each store from its own bridge', async () => {
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot(),
        EventStoreModule.forRoot({ name: 'audit' }),
        bridge({ target: { all: true } }),
        EventEmitterBridgeModule.register({ store: 'audit', emit: [{ target: 'entries' }] }),
      ],
      providers: [Mailer],
    });

    await app.get(EventStore).append('entries', { type: 'order.placed', data: 'main' });
    await app.get<EventStore>(getEventStoreToken('audit')).append('entries', { type: 'order.placed', data: 'audit' });
    await whenSettled(app);

    expect(app.get(Mailer).calls.map(([data]) => data)).toEqual(['main', 'audit']);
    expect((await app.get(StreamSubscriptions).list()).map(({ name, store }) => [name, store])).toEqual([
      ['EventEmitterBridge.emit[0]', 'memory-store'],
      ['EventEmitterBridge.emit[0]#2', 'audit'],
    ]);
  });

  it('comes with options from a factory, and from stores and emitters that are not global', async () => {
    @Module({
      imports: [EventEmitterModule.forRoot({ global: false }), EventStoreModule.forRoot({ isGlobal: false })],
      exports: [EventEmitterModule, EventStoreModule],
    })
    class Ends {}
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot({ name: 'other' }),
        EventEmitterBridgeModule.registerAsync({
          imports: [Ends],
          inject: [EventStore],
          useFactory: async (store: EventStore) => ({ emit: [{ target: 'orders', as: () => `${store.name}.placed` }] }),
        }),
      ],
    });
    const heard: unknown[] = [];
    app.get(EventEmitter2).on('memory-store.placed', (data) => heard.push(data));

    await app.get<EventStore>(getEventStoreToken('memory-store')).append('orders', numbered(1, 2));
    await whenSettled(app);

    expect(heard).toEqual([1, 2]);
  });
});

describe('an event from before the application started', () => {
  const history = () => engineWithHistory('orders', [{ type: 'order.placed', data: 'old' }]);

  it.each<[string, Partial<EmitRule>, unknown[]]>([
    ['is not emitted by a live rule', {}, ['new']],
    ['is emitted by a live rule that begins at the start', { from: START }, ['old', 'new']],
    ['is emitted by a durable rule', { durable: 'mail' }, ['old', 'new']],
    ['is not emitted by a durable rule that begins after it', { durable: 'mail', from: 1 }, ['new']],
  ])('%s', async (_what, options, expected) => {
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot({ engine: await history() }),
        bridge({ target: 'orders', ...options }),
        EventEmitterModule.forRoot(),
      ],
      providers: [Mailer],
    });

    await app.get(EventStore).append('orders', { type: 'order.placed', data: 'new' });
    await whenSettled(app);

    expect(app.get(Mailer).calls.map(([data]) => data)).toEqual(expected);
  });

  it('waits until Nest has found the listeners, however long the start takes', async () => {
    @Injectable()
    class SlowStart implements OnApplicationBootstrap {
      async onApplicationBootstrap(): Promise<void> {
        for (let turn = 0; turn < 20; turn++) await settled();
      }
    }

    // A module that is not global starts last, after those that it imports and all that are global.
    @Module({ imports: [EventEmitterModule.forRoot({ global: false })], exports: [EventEmitterModule] })
    class LateEmitterModule {}
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot({ engine: await history() }),
        EventEmitterBridgeModule.registerAsync({
          imports: [LateEmitterModule],
          useFactory: () => ({ emit: [{ target: 'orders', durable: 'mail' }] }),
        }),
      ],
      providers: [SlowStart, Mailer],
    });

    await whenSettled(app);

    expect(app.get(Mailer).calls.map(([data]) => data)).toEqual(['old']);
  });
});

describe('a durable rule', () => {
  it('counts an event as handled when its listeners are done, and not before', async () => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));

    @Injectable()
    class Waiting {
      readonly begun: unknown[] = [];

      @OnEvent('order.placed', { suppressErrors: false })
      async on(data: unknown): Promise<void> {
        this.begun.push(data);
        await gate;
      }
    }
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot(),
        bridge({ target: 'orders', durable: 'mail' }),
      ],
      providers: [Waiting],
    });
    const position = async () => (await app.get(StreamSubscriptions).list())[0].position;

    await app.get(EventStore).append('orders', [
      { type: 'order.placed', data: 1 },
      { type: 'order.placed', data: 2 },
    ]);
    await until(() => app.get(Waiting).begun.length > 0, 'the first call');
    for (let turn = 0; turn < 5; turn++) await settled();
    expect([await position(), app.get(Waiting).begun]).toEqual([0, [1]]);
    release();
    await whenSettled(app);

    expect([await position(), app.get(Waiting).begun]).toEqual([2, [1, 2]]);
  });

  it('tries again when a listener has failed', async () => {
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot(),
        bridge({ target: 'orders', durable: 'mail', retry: FAST }),
      ],
      providers: [Fragile],
    });

    await app.get(EventStore).append('orders', [
      { type: 'order.placed', data: 1 },
      { type: 'order.placed', data: 2 },
    ]);
    await whenSettled(app);

    expect(app.get(Fragile).seen).toEqual([1, 1, 1, 2]);
    expect(await app.get(DeadLetters).count()).toBe(0);
    expect(await app.get(StreamSubscriptions).list()).toMatchObject([{ name: 'mail', isDurable: true, failures: 2 }]);
  });

  it('waits between the attempts by the clock of the store', async () => {
    const clock = new ManualClock();
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot({ clock }),
        bridge({ target: 'orders', durable: 'mail', retry: { initialDelayMs: 1_000 } }),
      ],
      providers: [Fragile],
    });
    await app.get(EventStore).append('orders', { type: 'order.placed' });

    await clock.advance(499);
    expect(app.get(Fragile).seen).toHaveLength(1);
    await clock.advance(1);

    expect(app.get(Fragile).seen).toHaveLength(2);
  });

  it('makes a dead letter of an event whose attempts all failed, which can be retried', async () => {
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot(),
        bridge({ target: 'orders', durable: 'mail', retry: { ...FAST, attempts: 2 } }),
      ],
      providers: [Fragile],
    });
    const deadLetters = app.get(DeadLetters);

    await app.get(EventStore).append('orders', { type: 'order.placed', data: 1 });
    await whenSettled(app);
    const [letter] = await deadLetters.list({ subscription: 'mail' });
    expect(letter).toMatchObject({ event: { data: 1 }, attempts: 2 });
    await deadLetters.retry(letter.id);

    expect(await deadLetters.count()).toBe(0);
    expect(app.get(Fragile).seen).toEqual([1, 1, 1]);
  });

  it('fails on a listener that throws at once and on one that rejects, not on the emitter without one for "error"', async () => {
    const rejects = (): unknown => Promise.reject(new Error('later'));

    @Injectable()
    class Throwing {
      constructor(emitter: EventEmitter2) {
        emitter.on('thrown', () => {
          throw new Error('at once');
        });
        emitter.on('rejected', rejects);
      }
    }
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot(),
        bridge({ target: 'orders', durable: 'mail', retry: { attempts: 1 } }),
      ],
      providers: [Throwing],
    });

    await app.get(EventStore).append('orders', [{ type: 'thrown' }, { type: 'rejected' }, { type: 'error' }]);
    await whenSettled(app);

    expect((await app.get(DeadLetters).list()).map(({ event }) => event.type)).toEqual(['thrown', 'rejected']);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['no text', 7],
    ['an empty text', ''],
  ])('fails on an event for which "as" gives %s', async (_what, name) => {
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot(),
        bridge({ target: 'orders', durable: 'mail', retry: { attempts: 1 }, as: () => name as string }),
      ],
    });

    await app.get(EventStore).append('orders', numbered(1, 1));
    await whenSettled(app);

    const [{ lastError }] = await app.get(StreamSubscriptions).list();
    expect((lastError as Error).message).toContain('EventEmitterBridgeModule.emit[0].as');
  });

  it('goes on after a restart, and emits once more what was not handled', async () => {
    const engine = lastingEngine();

    @Injectable()
    class Shop {
      readonly seen: unknown[] = [];
      isOpen = true;

      @OnEvent('order.placed', { suppressErrors: false })
      async on(data: unknown): Promise<void> {
        this.seen.push(data);
        if (!this.isOpen) throw new Error('closed');
      }
    }
    const start = () =>
      startApp({
        imports: [
          EventEmitterModule.forRoot(),
          EventStoreModule.forRoot({ engine }),
          bridge({ target: 'orders', durable: 'mail', onFailure: 'stop', retry: { attempts: 1 } }),
        ],
        providers: [Shop],
      });
    const placed = (data: number) => ({ type: 'order.placed', data });
    const first = await start();
    await first.get(EventStore).append('orders', [placed(1), placed(2)]);
    await whenSettled(first);
    first.get(Shop).isOpen = false;
    await first.get(EventStore).append('orders', [placed(3), placed(4)]);
    expect(await rejectionOf(whenSettled(first))).toBeInstanceOf(HandlerStoppedError);
    await first.close();

    const second = await start();
    await whenSettled(second);

    expect(first.get(Shop).seen).toEqual([1, 2, 3]);
    expect(second.get(Shop).seen).toEqual([3, 4]);
  });
});

describe('a live rule whose listener fails', () => {
  it('goes on with the next event, and reports it', async () => {
    const failures: { store: string; handler: string }[] = [];
    const metricsCollector = { onHandlerFailure: (failure: (typeof failures)[number]) => void failures.push(failure) };
    const logger = new RecordingNestLogger();
    const app = await startApp(
      {
        imports: [
          EventEmitterModule.forRoot(),
          EventStoreModule.forRoot({ metricsCollector }),
          bridge({ target: 'orders' }),
        ],
        providers: [Fragile],
      },
      logger,
    );
    app.get(Fragile).failures = 1;

    await app.get(EventStore).append('orders', [
      { type: 'order.placed', data: 1 },
      { type: 'order.placed', data: 2 },
    ]);
    await whenSettled(app);

    expect(app.get(Fragile).seen).toEqual([1, 2]);
    expect(failures).toEqual([{ store: 'memory-store', handler: 'EventEmitterBridge.emit[0]' }]);
    expect(logger.errors.map(({ message }) => message)).toContainEqual(expect.stringContaining('no stamps left'));
  });
});

describe('a listener whose failures Nest keeps to itself', () => {
  @Injectable()
  class Careless {
    @OnEvent('order.*')
    @OnEvent('order.placed')
    onOrder(): void {}

    @OnEvent('user.*')
    onUser(): void {}

    @OnEvent('order.placed', { suppressErrors: false })
    careful(): void {}
  }

  const warningsOf = async (rule: EmitRule): Promise<string[]> => {
    const logger = new RecordingNestLogger();
    const app = await startApp(
      {
        imports: [EventEmitterModule.forRoot({ wildcard: true }), EventStoreModule.forRoot(), bridge(rule)],
        providers: [Careless],
      },
      logger,
    );
    await app.get(EventStore).append('orders', [{ type: 'order.placed' }, { type: 'order.paid' }]);
    await whenSettled(app);
    return logger.warnings;
  };

  it('is warned of once, when a durable rule depends on it', async () => {
    const warnings = await warningsOf({ target: 'orders', durable: 'mail' });

    expect(warnings).toHaveLength(1);
    for (const part of ['Careless.onOrder', '"order.placed"', '"mail"', 'suppressErrors: false']) {
      expect(warnings[0]).toContain(part);
    }
  });

  it('is no matter for a live rule', async () => {
    expect(await warningsOf({ target: 'orders' })).toEqual([]);
  });
});

it('a listener can end its work when the attempt has taken too long', async () => {
  const reasons: unknown[] = [];

  @Injectable()
  class Endless {
    @OnEvent('order.placed', { suppressErrors: false })
    async on(_data: unknown, _event: RecordedEvent, { signal }: StreamEventContext): Promise<void> {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      reasons.push(signal.reason);
    }
  }
  const clock = new ManualClock();
  const app = await startApp({
    imports: [
      EventEmitterModule.forRoot(),
      EventStoreModule.forRoot({ clock }),
      bridge({ target: 'orders', timeoutMs: 500 }),
    ],
    providers: [Endless],
  });

  await app.get(EventStore).append('orders', { type: 'order.placed' });
  await clock.advance(500);
  await whenSettled(app);

  expect(reasons).toMatchObject([{ code: 'HANDLER_TIMEOUT' }]);
});

/** Listens for names that mean something to the emitter. */
@Injectable()
class Special {
  readonly seen: string[] = [];

  @OnEvent('error', { suppressErrors: false })
  onError(): void {
    this.seen.push('error');
  }

  @OnEvent('toString', { suppressErrors: false })
  onToString(): void {
    this.seen.push('toString');
  }
}

describe('a stored event whose name means something to the emitter', () => {
  const types = [
    'error',
    '__proto__',
    'toString',
    'constructor',
    '__defineGetter__',
    'hasOwnProperty',
    'order.*',
    '**',
  ];

  async function appended(wildcard: boolean, providers: (typeof Mailer | typeof Special)[]) {
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot({ wildcard }),
        EventStoreModule.forRoot(),
        bridge(
          { target: { streams: 'order-*' }, durable: 'all' },
          { target: { streams: 'named-*' }, as: ({ data }) => data as string, durable: 'named' },
        ),
      ],
      providers,
    });
    const store = app.get(EventStore);
    for (const type of types) await store.append('order-1', { type });
    for (const data of types) await store.append('named-1', { type: 'named', data });
    await whenSettled(app);
    return { app, deadLetters: await app.get(DeadLetters).list() };
  }

  it.each([false, true])('is handled when nobody has asked for it (wildcards: %s)', async (wildcard) => {
    const { app, deadLetters } = await appended(wildcard, [Mailer]);

    expect(deadLetters).toEqual([]);
    expect(app.get(Mailer).calls).toEqual([]);
  });

  it('reaches who has asked for it', async () => {
    const { app, deadLetters } = await appended(false, [Special]);

    expect(deadLetters).toEqual([]);
    expect(app.get(Special).seen.sort()).toEqual(['error', 'error', 'toString', 'toString']);
  });
});
