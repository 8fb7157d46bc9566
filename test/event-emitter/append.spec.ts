import { describe, expect, it } from '@jest/globals';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { EventEmitter2, EventEmitterModule } from '@nestjs/event-emitter';
import {
  EventStore,
  EventStoreModule,
  type EventStoreOptions,
  getEventStoreToken,
  type NewEvent,
  type StorageEngine,
} from 'nestjs-stream-store';
import { type AppendRule, EventEmitterBridgeModule } from 'nestjs-stream-store/event-emitter';
import { aroundEngine } from '../support/engines/around-engine.js';
import { dataOf } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { settled } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger, startApp } from '../support/servers/nest-app.js';
import { RecordingCollector } from '../support/recorders.js';

interface Order {
  readonly id: number;
  readonly total?: number;
}

/** An application whose emitter knows wildcards. */
async function appWith(append: AppendRule[], options: EventStoreOptions = {}, logger = new RecordingNestLogger()) {
  const app = await startApp(
    {
      imports: [
        EventEmitterModule.forRoot({ wildcard: true }),
        EventStoreModule.forRoot(options),
        EventEmitterBridgeModule.register({ append }),
      ],
    },
    logger,
  );
  return { app, emitter: app.get(EventEmitter2), store: app.get(EventStore) };
}

describe('an emitted event', () => {
  it('is appended to the stream, as it was emitted', async () => {
    const { emitter, store } = await appWith([{ on: 'order.placed', stream: 'orders' }]);

    emitter.emit('order.placed', { id: 1, total: 12 });
    emitter.emit('order.paid', { id: 1 });

    expect(await store.readAll()).toMatchObject({
      events: [
        {
          streamId: 'orders',
          type: 'order.placed',
          data: { id: 1, total: 12 },
          metadata: { $emittedAs: 'order.placed' },
        },
      ],
    });
  });

  it('is kept when emitAsync resolves', async () => {
    const { emitter, store } = await appWith([{ on: 'order.placed', stream: 'orders' }], { engine: lateEngine() });

    await emitter.emitAsync('order.placed', { id: 1 });

    expect(dataOf(await store.readStream('orders'))).toEqual([{ id: 1 }]);
  });

  it('may go to a stream, have a type, data and metadata that are computed from it', async () => {
    const { emitter, store } = await appWith([
      {
        on: 'order.*',
        stream: ({ id }: Order) => `order-${id}`,
        type: (_order, eventName) => eventName.replace('order.', ''),
        data: ({ total }: Order, eventName) => ({ total, eventName }),
        metadata: ({ id }: Order, eventName) => ({ id, eventName }),
      },
    ]);

    emitter.emit('order.placed', { id: 7, total: 12 });

    expect(await store.readStream('order-7')).toMatchObject([
      {
        type: 'placed',
        data: { total: 12, eventName: 'order.placed' },
        metadata: { id: 7, eventName: 'order.placed', $emittedAs: 'order.placed' },
      },
    ]);
  });

  it('may get a type and metadata that are always the same', async () => {
    const { emitter, store } = await appWith([
      { on: 'order.*', stream: 'orders', type: 'order', metadata: { source: 'emitter', $emittedAs: 'mine' } },
    ]);

    emitter.emit('order.paid');

    expect(await store.readStream('orders')).toMatchObject([
      { type: 'order', metadata: { source: 'emitter', $emittedAs: 'order.paid' } },
    ]);
  });

  it('without a payload has no data; with several, the first counts', async () => {
    const { emitter, store } = await appWith([{ on: 'tick', stream: 'ticks' }]);

    emitter.emit('tick');
    emitter.emit('tick', null);
    emitter.emit('tick', 1, 2, 3, 4);

    expect(dataOf(await store.readStream('ticks'))).toEqual([null, null, 1]);
  });

  it('may be an instance of a class', async () => {
    class OrderPlaced {
      constructor(
        readonly id: number,
        readonly at: Date,
      ) {}
    }
    const { emitter, store } = await appWith([{ on: 'order.placed', stream: 'orders' }]);

    emitter.emit('order.placed', new OrderPlaced(1, new Date(0)));

    expect(dataOf(await store.readStream('orders'))).toEqual([{ id: 1, at: '1970-01-01T00:00:00.000Z' }]);
  });

  it('is kept as it was when it was emitted, whatever becomes of the payload', async () => {
    const { emitter, store } = await appWith([{ on: 'order.placed', stream: 'orders' }], { engine: lateEngine() });
    const order = { id: 1, state: 'placed' };

    emitter.emit('order.placed', order);
    order.state = 'changed';
    await emitter.emitAsync('order.placed', order);

    expect(dataOf(await store.readStream('orders'))).toEqual([
      { id: 1, state: 'placed' },
      { id: 1, state: 'changed' },
    ]);
  });

  it('stands in the stream in the order of emitting', async () => {
    const { emitter, store } = await appWith([{ on: ['a', 'b'], stream: 's' }], { engine: lateEngine() });

    for (let n = 1; n < 50; n++) emitter.emit(n % 2 ? 'a' : 'b', n);
    await emitter.emitAsync('a', 50);

    expect(dataOf(await store.readStream('s'))).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  it('goes to each rule that it fits', async () => {
    const { emitter, store } = await appWith([
      { on: 'order.*', stream: 'orders' },
      { on: '**', stream: 'everything' },
    ]);

    emitter.emit('order.placed');
    emitter.emit('user.left');

    expect((await store.readStream('orders')).map(({ type }) => type)).toEqual(['order.placed']);
    expect((await store.readStream('everything')).map(({ type }) => type)).toEqual(['order.placed', 'user.left']);
  });

  it('is appended once by a rule, although it fits several of its names', async () => {
    const { emitter, store } = await appWith([
      { on: ['order.placed', 'order.placed', 'order.*', '*.placed', '**'], stream: 'orders' },
    ]);

    for (const name of ['order.placed', 'order.paid', 'user.placed', 'tick', 'order.placed']) emitter.emit(name);

    const types = (await store.readStream('orders')).map(({ type }) => type);
    expect(types).toEqual(['order.placed', 'order.paid', 'user.placed', 'tick', 'order.placed']);
  });

  it('may be emitted as an array of parts, or under a symbol', async () => {
    const { emitter, store } = await appWith([
      { on: 'order.*', stream: 'orders' },
      { on: '*', stream: 'others', type: 'other' },
    ]);

    emitter.emit(['order', 'placed'], 1);
    emitter.emit([Symbol('secret')], 2);

    expect(await store.readAll()).toMatchObject({
      events: [
        { streamId: 'orders', type: 'order.placed' },
        { streamId: 'others', type: 'other', metadata: { $emittedAs: 'Symbol(secret)' } },
      ],
    });
  });

  it('may have a name with another delimiter', async () => {
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot({ wildcard: true, delimiter: '::' }),
        EventStoreModule.forRoot(),
        EventEmitterBridgeModule.register({ append: [{ on: ['order::*', '**'], stream: 'orders' }] }),
      ],
    });

    app.get(EventEmitter2).emit('order::placed', 1);
    app.get(EventEmitter2).emit(['order', 'paid'], 2);

    const events = await app.get(EventStore).readStream('orders');
    expect(events.map(({ type }) => type)).toEqual(['order::placed', 'order::paid']);
  });

  it('is appended to the named store', async () => {
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot(),
        EventStoreModule.forRoot({ name: 'audit' }),
        EventEmitterModule.forRoot(),
        EventEmitterBridgeModule.register({ store: 'audit', append: [{ on: 'tick', stream: 'ticks' }] }),
      ],
    });

    app.get(EventEmitter2).emit('tick', 1);

    expect(dataOf(await app.get<EventStore>(getEventStoreToken('audit')).readStream('ticks'))).toEqual([1]);
    expect((await app.get(EventStore).stats()).totalEvents).toBe(0);
  });

  it('is appended to a store that is not global, when there is no other', async () => {
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot({ isGlobal: false }),
        EventEmitterModule.forRoot(),
        EventEmitterBridgeModule.register({ append: [{ on: 'tick', stream: 'ticks' }] }),
      ],
    });

    app.get(EventEmitter2).emit('tick', 1);

    expect(dataOf(await app.get(EventStore).readStream('ticks'))).toEqual([1]);
  });

  it('is appended while the application starts, and while it ends', async () => {
    const kept: NewEvent[] = [];
    const inner = lateEngine();
    const engine: StorageEngine = {
      ...inner,
      append: (request) => {
        kept.push(...(request.events as unknown as NewEvent[]));
        return inner.append(request);
      },
    };

    @Injectable()
    class Announcer implements OnApplicationBootstrap, BeforeApplicationShutdown {
      constructor(private readonly emitter: EventEmitter2) {}

      onApplicationBootstrap(): void {
        this.emitter.emit('app.started');
      }

      beforeApplicationShutdown(): void {
        this.emitter.emit('app.ends');
      }
    }
    const app = await startApp({
      imports: [
        EventEmitterModule.forRoot(),
        EventStoreModule.forRoot({ engine }),
        EventEmitterBridgeModule.register({ append: [{ on: ['app.started', 'app.ends'], stream: 'app' }] }),
      ],
      providers: [Announcer],
    });

    await app.close();

    expect(kept.map(({ type }) => type)).toEqual(['app.started', 'app.ends']);
  });
});

describe('an emitted event that cannot be appended', () => {
  const broken = (): never => {
    throw new Error('broken');
  };

  it.each<[string, Partial<AppendRule>, unknown, RegExp]>([
    ['because JSON cannot hold it', {}, { price: 12n }, /data\.price/],
    ['because it has hidden state', {}, new Map(), /Map/],
    ['because its stream cannot be computed', { stream: ({ id }: Order) => `order-${id}` }, undefined, /id/],
    ['because its stream has no name', { stream: () => '' }, 1, /streamId/],
    ['because its stream is the own one of the store', { stream: () => '$mine' }, 1, /\$mine/],
    ['because its type cannot be computed', { type: broken }, 1, /broken/],
    ['because its type is no text', { type: () => 7 as unknown as string }, 1, /type/],
    ['because its data cannot be computed', { data: broken }, 1, /broken/],
    ['because its data is not there yet', { data: async () => 1 }, 1, /promise/],
    ['because its data fail later', { data: () => Promise.reject(new Error('late')) }, 1, /promise/],
    ['because its metadata cannot be computed', { metadata: broken }, 1, /broken/],
    ['because its metadata is not JSON', { metadata: () => ({ size: NaN }) }, 1, /metadata\.size/],
    ['because the stream is full', { stream: 'full' }, 1, /StreamLimitReachedError/],
  ])('%s is logged and measured, and the next one is appended', async (_why, rule, payload, reason) => {
    const metricsCollector = new RecordingCollector();
    const logger = new RecordingNestLogger();
    const { emitter, store } = await appWith(
      [
        { on: 'bad', stream: 'orders', ...rule },
        { on: 'good', stream: 'orders' },
      ],
      { metricsCollector, maxEventsPerStream: 1 },
      logger,
    );
    await store.append('full', { type: 'full' });

    expect(emitter.emit('bad', payload)).toBe(true);
    emitter.emit('good', 1);
    await settled();

    expect(dataOf(await store.readStream('orders'))).toEqual([1]);
    expect(metricsCollector.backgroundFailures).toEqual([{ store: 'memory-store', operation: 'event-emitter-append' }]);
    expect(logger.errors).toMatchObject([{ context: 'EventStore' }]);
    expect(logger.errors[0].message).toContain('"bad"');
    expect(logger.errors[0].message).toMatch(reason);
  });

  it('because the engine fails does not fail for who emits, and keeps other listeners', async () => {
    const logger = new RecordingNestLogger();
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'append') throw new Error('disk on fire');
      return ask();
    });
    const { emitter } = await appWith([{ on: 'tick', stream: 'ticks' }], { engine }, logger);
    emitter.on('tick', () => 'heard');

    expect(await emitter.emitAsync('tick')).toEqual([undefined, 'heard']);

    expect(logger.errors.map(({ message }) => message)).toEqual([
      'Store "memory-store": the emitted event "tick" could not be appended: Error: disk on fire',
    ]);
  });

  it('because the store was closed is reported too', async () => {
    const metricsCollector = new RecordingCollector();
    const logger = new RecordingNestLogger();
    const { emitter, store } = await appWith([{ on: 'tick', stream: 'ticks' }], { metricsCollector }, logger);

    await store.close();
    await emitter.emitAsync('tick');

    expect(metricsCollector.backgroundFailures).toHaveLength(1);
    expect(logger.errors[0].message).toContain('StoreClosedError');
  });
});

it('an emitter that lives longer than the application has no listener of the bridge afterwards', async () => {
  const emitter = new EventEmitter2({ wildcard: true });
  const app = await startApp({
    imports: [
      { module: class Emitting {}, global: true, providers: [emitting(emitter)], exports: [EventEmitter2] },
      EventStoreModule.forRoot(),
      EventEmitterBridgeModule.register({ append: [{ on: ['a.*', 'b'], stream: 's' }] }),
    ],
  });
  emitter.emit('a.1', 1);
  expect(dataOf(await app.get(EventStore).readStream('s'))).toEqual([1]);
  expect([emitter.listenerCount('a.1'), emitter.listenerCount('b')]).toEqual([1, 1]);

  await app.close();

  expect([emitter.listenerCount('a.1'), emitter.listenerCount('b')]).toEqual([0, 0]);
});

const emitting = (emitter: EventEmitter2) => ({ provide: EventEmitter2, useValue: emitter });
