import { describe, expect, it } from '@jest/globals';
import { Controller, Injectable, type OnModuleInit } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  EventStore,
  EventStoreModule,
  getEventStoreToken,
  memoryEngine,
  OnStreamEvent,
  type RecordedEvent,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { until } from '../support/waiting/collect.js';
import { numbered, rejectionOf } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { closedAfterTest, RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

/** Two handlers on two stores; the durable one can be kept back. */
@Injectable()
class Handlers {
  readonly seen: unknown[] = [];
  released: Promise<void> | undefined;
  failing: unknown;

  @OnStreamEvent('orders', { durable: 'billing', store: 'main', retry: { attempts: 1 } })
  async bill({ data }: RecordedEvent): Promise<void> {
    await this.released;
    if (data === this.failing) throw new Error('broken');
    this.seen.push(data);
  }

  @OnStreamEvent({ all: true }, { store: 'audit' })
  audit(): void {}

  @OnStreamEvent('orders', { durable: 'strict', store: 'main', onFailure: 'stop', retry: { attempts: 1 } })
  strict({ data }: RecordedEvent): void {
    if (data === this.failing) throw new Error('broken');
  }
}

async function start() {
  const app = await startApp({
    imports: [EventStoreModule.forRoot({ name: 'main' }), EventStoreModule.forRoot({ name: 'audit' })],
    providers: [Handlers],
  });
  return {
    app,
    handlers: app.get(Handlers),
    subscriptions: app.get(StreamSubscriptions),
    main: app.get<EventStore>(getEventStoreToken('main')),
    audit: app.get<EventStore>(getEventStoreToken('audit')),
  };
}

describe('the list of subscriptions', () => {
  it('tells of each handler who it is, where it stands and how it does', async () => {
    const { subscriptions, main, audit } = await start();
    await main.append('orders', numbered(1, 3));
    await audit.append('logins', numbered(1, 2));
    await subscriptions.whenSettled();

    const list = await subscriptions.list();

    const common = { state: 'live', lag: 0, failures: 0, lastError: undefined };
    expect(list).toEqual([
      { name: 'billing', store: 'main', isDurable: true, position: 3, ...common },
      { name: 'Handlers.audit', store: 'audit', isDurable: false, position: 2, ...common },
      { name: 'strict', store: 'main', isDurable: true, position: 3, ...common },
    ]);
  });

  it('tells how far a handler is behind', async () => {
    const { subscriptions, handlers, main } = await start();
    let release!: () => void;
    handlers.released = new Promise((resolve) => (release = resolve));

    await main.append('orders', numbered(1, 3));
    expect(await subscriptions.list()).toContainEqual(
      expect.objectContaining({ name: 'billing', position: 0, lag: 3 }),
    );
    release();
    await subscriptions.whenSettled();

    expect(await subscriptions.list()).toContainEqual(
      expect.objectContaining({ name: 'billing', position: 3, lag: 0 }),
    );
  });

  it('tells of failures, and of what stopped a handler', async () => {
    const { subscriptions, handlers, main } = await start();
    handlers.failing = 2;

    await main.append('orders', numbered(1, 3));
    expect(await rejectionOf(subscriptions.whenSettled())).toMatchObject({
      code: 'HANDLER_STOPPED',
      handler: 'strict',
    });
    await until(() => handlers.seen.length === 2, 'the other handler');
    await settled();

    const lastError = new Error('broken');
    expect(await subscriptions.list()).toMatchObject([
      { name: 'billing', state: 'live', failures: 1, lastError, position: 3 },
      { name: 'Handlers.audit', failures: 0 },
      { name: 'strict', state: 'halted', failures: 1, lastError, position: 1, lag: 2 },
    ]);
  });

  it('of an application without handlers is empty, and it is settled', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot()] });
    const subscriptions = app.get(StreamSubscriptions);

    await subscriptions.ready();
    await subscriptions.whenSettled();

    expect(await subscriptions.list()).toEqual([]);
  });

  it('numbers live handlers that would have one name', async () => {
    @Injectable()
    class Twice {
      @OnStreamEvent('one')
      @OnStreamEvent('two')
      @OnStreamEvent('three')
      on(): void {}
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Twice] });

    const names = (await app.get(StreamSubscriptions).list()).map(({ name }) => name);

    expect(names).toEqual(['Twice.on', 'Twice.on#2', 'Twice.on#3']);
  });

  it('can be asked for by whoever injects it', async () => {
    @Controller('handlers')
    class HandlersController {
      constructor(readonly subscriptions: StreamSubscriptions) {}
    }
    const app = await startApp({
      imports: [EventStoreModule.forRoot({ name: 'main' }), EventStoreModule.forRoot({ name: 'audit' })],
      providers: [Handlers],
      controllers: [HandlersController],
    });

    expect(await app.get(HandlersController).subscriptions.list()).toHaveLength(3);
  });
});

describe('a handler', () => {
  it.each(['billing', 'Handlers.audit'])('rests from pause to resume: %s', async (name) => {
    const { subscriptions, handlers, main, audit } = await start();

    await subscriptions.pause(name);
    await main.append('orders', numbered(1, 2));
    await audit.append('logins', numbered(1, 2));
    await settled();
    expect(await subscriptions.list()).toContainEqual(
      expect.objectContaining({ name, state: 'paused', position: 0, lag: 2 }),
    );
    expect(handlers.seen).toEqual(name === 'billing' ? [] : [1, 2]);
    expect(await rejectionOf(subscriptions.whenSettled())).toMatchObject({ code: 'HANDLER_STOPPED', handler: name });
    await subscriptions.resume(name);
    await subscriptions.whenSettled();

    expect(handlers.seen).toEqual([1, 2]);
    expect(await subscriptions.list()).toContainEqual(expect.objectContaining({ name, state: 'live', lag: 0 }));
  });

  it('that has stopped after a failure goes on when it is resumed', async () => {
    const { subscriptions, handlers, main } = await start();
    handlers.failing = 1;
    await main.append('orders', numbered(1, 2));
    await rejectionOf(subscriptions.whenSettled());

    handlers.failing = undefined;
    await subscriptions.resume('strict');
    await subscriptions.whenSettled();

    expect(await subscriptions.list()).toContainEqual(
      expect.objectContaining({ name: 'strict', state: 'live', position: 2 }),
    );
  });

  it('may be paused twice, and resumed although it runs', async () => {
    const { subscriptions, handlers, main } = await start();

    await subscriptions.resume('billing');
    await Promise.all([subscriptions.pause('billing'), subscriptions.pause('billing')]);
    await main.append('orders', numbered(1, 2));
    await Promise.all([subscriptions.resume('billing'), subscriptions.resume('billing')]);
    await subscriptions.whenSettled();

    expect(handlers.seen).toEqual([1, 2]);
  });

  it.each(['pause', 'resume'] as const)('that there is not cannot be told to %s: the names are said', async (act) => {
    const { subscriptions } = await start();

    const failure = await rejectionOf((async () => subscriptions[act]('biling'))());

    expect(failure).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect((failure as Error).message).toMatch(/"biling".*billing, Handlers\.audit, strict/);
  });
});

describe('ready', () => {
  it('resolves when the application is there and its handlers are called', async () => {
    const events: string[] = [];

    @Injectable()
    class Module implements OnModuleInit {
      constructor(private readonly subscriptions: StreamSubscriptions) {}

      onModuleInit(): void {
        void this.subscriptions.ready().then(() => events.push('ready'));
        void this.subscriptions.whenSettled().then(() => events.push('settled'));
        events.push('initialised');
      }
    }

    @Injectable()
    class Handler {
      @OnStreamEvent('orders', { durable: 'billing' })
      on(): void {
        events.push('called');
      }
    }
    const compiled = await Test.createTestingModule({
      imports: [EventStoreModule.forRoot()],
      providers: [Handler, Module],
    })
      .setLogger(new RecordingNestLogger())
      .compile();
    const app = closedAfterTest(compiled);
    await app.get(EventStore).append('orders', numbered(1, 1));
    await settled();
    expect(events).toEqual([]);

    await app.init();
    await until(() => events.includes('settled'), 'the end');

    expect(events[0]).toBe('initialised');
    expect(events.at(-1)).toBe('settled');
    expect([...events].sort()).toEqual(['called', 'initialised', 'ready', 'settled']);
  });
});

it('whenSettled waits for all handlers, and for what they append for each other', async () => {
  @Injectable()
  class Chain {
    readonly seen: string[] = [];

    constructor(private readonly store: EventStore) {}

    @OnStreamEvent('orders', { durable: 'orders' })
    async onOrder({ data }: RecordedEvent<number>): Promise<void> {
      await settled();
      await this.store.append('mails', { type: 'sent', data });
      this.seen.push(`order ${data}`);
    }

    @OnStreamEvent('mails', { durable: 'mails' })
    async onMail({ data }: RecordedEvent<number>): Promise<void> {
      await settled();
      this.seen.push(`mail ${data}`);
    }
  }
  const app = await startApp({ imports: [EventStoreModule.forRoot({ engine: memoryEngine() })], providers: [Chain] });
  const { seen } = app.get(Chain);

  await app.get(EventStore).append('orders', numbered(1, 2));
  await app.get(StreamSubscriptions).whenSettled();
  expect(seen.filter((line) => line.startsWith('order'))).toEqual(['order 1', 'order 2']);
  // What a handler appended is waited for by the next call.
  await app.get(StreamSubscriptions).whenSettled();

  expect(seen.filter((line) => line.startsWith('mail'))).toEqual(['mail 1', 'mail 2']);
});
