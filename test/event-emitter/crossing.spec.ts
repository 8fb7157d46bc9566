import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { EventStore, EventStoreModule, getEventStoreToken, type RecordedEvent } from 'nestjs-stream-store';
import { EventEmitterBridgeModule, type EventEmitterBridgeOptions } from 'nestjs-stream-store/event-emitter';
import { whenSettled } from 'nestjs-stream-store/testing';
import { ENGINES } from '../support/engines/around-engine.js';
import { settled } from '../support/waiting/manual-clock.js';
import { startApp } from '../support/servers/nest-app.js';
import { lastingEngine } from './lasting-engine.js';

const EVERYTHING: EventEmitterBridgeOptions = {
  emit: [{ target: { all: true } }],
  append: [{ on: '**', stream: 'emitted' }],
};

/** Notes what is emitted. */
@Injectable()
class Listener {
  readonly heard: string[] = [];

  constructor(emitter: EventEmitter2) {
    emitter.onAny((name) => this.heard.push(String(name)));
  }
}

async function appWith(bridges: EventEmitterBridgeOptions[], providers: (new (...args: never[]) => unknown)[] = []) {
  const app = await startApp({
    imports: [
      EventEmitterModule.forRoot({ wildcard: true }),
      EventStoreModule.forRoot(),
      EventStoreModule.forRoot({ name: 'audit' }),
      ...bridges.map((options) => EventEmitterBridgeModule.register(options)),
    ],
    providers: [Listener, ...providers],
  });
  const typesIn = async (store: EventStore) =>
    (await store.readAll()).events.map(({ streamId, type }) => `${streamId}: ${type}`);
  return {
    emitter: app.get(EventEmitter2),
    store: app.get(EventStore),
    /** What there is when nothing moves any more. */
    outcome: async () => {
      for (let turn = 0; turn < 10; turn++) await settled();
      await whenSettled(app);
      return {
        heard: app.get(Listener).heard,
        main: await typesIn(app.get(EventStore)),
        audit: await typesIn(app.get(getEventStoreToken('audit'))),
      };
    },
  };
}

describe('with a bridge that emits and appends everything', () => {
  it('an emitted event is appended, and not emitted again', async () => {
    const { emitter, outcome } = await appWith([EVERYTHING]);

    emitter.emit('order.placed', 1);

    expect(await outcome()).toEqual({ heard: ['order.placed'], main: ['emitted: order.placed'], audit: [] });
  });

  it('an appended event is emitted, and not appended again', async () => {
    const { store, outcome } = await appWith([EVERYTHING]);

    await store.append('orders', { type: 'order.placed' });

    expect(await outcome()).toEqual({ heard: ['order.placed'], main: ['orders: order.placed'], audit: [] });
  });

  it('neither comes back under another name', async () => {
    const { emitter, store, outcome } = await appWith([
      {
        emit: [{ target: { all: true }, as: ({ type }) => `stored.${type}` }],
        append: [{ on: '**', stream: 'emitted', type: (_payload, name) => `emitted.${name}` }],
      },
    ]);

    emitter.emit('a');
    await store.append('orders', { type: 'b' });

    expect(await outcome()).toEqual({
      heard: ['a', 'stored.b'],
      main: ['emitted: emitted.a', 'orders: b'],
      audit: [],
    });
  });
});

describe('with two bridges to one store that emit and append everything', () => {
  it('an emitted event is appended by both, as they were told, and emitted by none', async () => {
    const { emitter, outcome } = await appWith([EVERYTHING, EVERYTHING]);

    emitter.emit('order.placed', 1);

    expect(await outcome()).toEqual({
      heard: ['order.placed'],
      main: ['emitted: order.placed', 'emitted: order.placed'],
      audit: [],
    });
  });

  it('an appended event is emitted by both, as they were told, and appended by none', async () => {
    const { store, outcome } = await appWith([EVERYTHING, { ...EVERYTHING, store: 'memory-store' }]);

    await store.append('orders', { type: 'order.placed' });

    expect(await outcome()).toEqual({
      heard: ['order.placed', 'order.placed'],
      main: ['orders: order.placed'],
      audit: [],
    });
  });

  it('there is no circle when one only emits and the other only appends', async () => {
    const { emitter, store, outcome } = await appWith([{ emit: EVERYTHING.emit }, { append: EVERYTHING.append }]);

    emitter.emit('a');
    await store.append('orders', { type: 'b' });

    expect(await outcome()).toEqual({ heard: ['a', 'b'], main: ['emitted: a', 'orders: b'], audit: [] });
  });
});

describe('with bridges to two stores that emit and append everything', () => {
  const bridges = [EVERYTHING, { ...EVERYTHING, store: 'audit' }];

  it('an emitted event comes into both, and is not emitted again', async () => {
    const { emitter, outcome } = await appWith(bridges);

    emitter.emit('a');

    expect(await outcome()).toEqual({ heard: ['a'], main: ['emitted: a'], audit: ['emitted: a'] });
  });

  it('an appended event crosses over to the other store, and ends there', async () => {
    const { store, outcome } = await appWith(bridges);

    await store.append('orders', { type: 'b' });

    expect(await outcome()).toEqual({ heard: ['b'], main: ['orders: b'], audit: ['emitted: b'] });
  });
});

describe('what a listener emits while it handles a stored event', () => {
  it.each<[string, (emitter: EventEmitter2) => unknown]>([
    ['at once', (emitter) => emitter.emit('mail.sent')],
    ['later', (emitter) => settled().then(() => emitter.emit('mail.sent'))],
  ])('%s is an event of its own, and is appended', async (_when, send) => {
    @Injectable()
    class Mailer {
      constructor(private readonly emitter: EventEmitter2) {}

      @OnEvent('order.placed')
      async on(): Promise<void> {
        await send(this.emitter);
      }
    }
    const { store, outcome } = await appWith([EVERYTHING], [Mailer]);

    await store.append('orders', { type: 'order.placed' });

    expect(await outcome()).toEqual({
      heard: ['order.placed', 'mail.sent'],
      main: ['orders: order.placed', 'emitted: mail.sent'],
      audit: [],
    });
  });

  it('is one even when it passes on all that it got, under another name', async () => {
    @Injectable()
    class Forwarder {
      constructor(private readonly emitter: EventEmitter2) {}

      @OnEvent('order.placed')
      on(...args: unknown[]): void {
        this.emitter.emit('order.forwarded', ...args);
      }
    }
    const { store, outcome } = await appWith([EVERYTHING], [Forwarder]);

    await store.append('orders', { type: 'order.placed' });

    expect((await outcome()).main).toEqual(['orders: order.placed', 'emitted: order.forwarded']);
  });
});

it('an emitted event that was appended before a restart is not emitted after it, by whatever bridge', async () => {
  const engine = lastingEngine();
  const start = (options: EventEmitterBridgeOptions) =>
    startApp({
      imports: [
        EventEmitterModule.forRoot({ wildcard: true }),
        EventStoreModule.forRoot({ engine }),
        EventEmitterBridgeModule.register(options),
      ],
      providers: [Listener],
    });
  const first = await start({ append: EVERYTHING.append });
  first.get(EventEmitter2).emit('emitted');
  await first.get(EventStore).append('orders', { type: 'appended' });
  await first.close();

  const second = await start({ emit: [{ target: { all: true }, durable: 'all' }] });
  await whenSettled(second);

  expect(second.get(Listener).heard).toEqual(['appended']);
});

describe.each(ENGINES)('on %s', (_kind, createEngine) => {
  it('a mixture of both directions stays what was put in', async () => {
    @Injectable()
    class Counter {
      readonly events: unknown[] = [];

      @OnEvent('stored')
      on(data: unknown, event?: RecordedEvent): void {
        this.events.push([data, event?.streamId]);
      }
    }
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot({ wildcard: true }),
        EventStoreModule.forRoot({ engine: createEngine() }),
        EventEmitterBridgeModule.register(EVERYTHING),
      ],
      providers: [Counter],
    });
    const store = app.get(EventStore);

    for (let n = 1; n <= 20; n++) {
      await app.get(EventEmitter2).emitAsync('emitted', n);
      await store.append('orders', { type: 'stored', data: n });
    }
    await whenSettled(app);

    expect(app.get(Counter).events).toEqual(Array.from({ length: 20 }, (_, index) => [index + 1, 'orders']));
    expect((await store.stats()).totalEvents).toBe(40);
  });
});
