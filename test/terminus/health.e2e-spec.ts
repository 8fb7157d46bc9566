import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable } from '@nestjs/common';
import { HealthCheck, HealthCheckService, HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import {
  DeadLetters,
  EventStore,
  EventStoreModule,
  memoryEngine,
  OnStreamEvent,
  StorageUnavailableError,
  StreamSubscriptions,
  type EventStoreOptions,
} from 'nestjs-stream-store';
import {
  EventStoreHealthIndicator,
  EventStoreHealthModule,
  type EventStoreHealthOptions,
} from 'nestjs-stream-store/terminus';
import { ManualClock, whenSettled } from 'nestjs-stream-store/testing';
import { aroundEngine } from '../support/engines/around-engine.js';
import { numbered, rejectionOf } from '../support/events.js';
import { closedAfterTest, RecordingNestLogger } from '../support/servers/nest-app.js';
import { SharedMemory } from '../support/engines/shared-memory-engine.js';

@Injectable()
class Billing {
  failure: Error | undefined;
  held: Promise<void> | undefined;

  @OnStreamEvent({ streams: 'order-*' }, { durable: 'billing', retry: { attempts: 1 }, onFailure: 'dead-letter' })
  async bill(): Promise<void> {
    await this.held;
    if (this.failure) throw this.failure;
  }

  @OnStreamEvent('stopping', { onFailure: 'stop' })
  stop(): never {
    throw new Error('password=secret');
  }
}

/** What Terminus 11 offers: no `degraded`. The smoke tests run with Terminus 11 itself. */
class HealthIndicatorServiceOf11 extends HealthIndicatorService {
  override check<const Key extends string>(key: Key) {
    return Object.assign(super.check(key), { degraded: undefined as never });
  }
}

async function serve(
  options: EventStoreHealthOptions = {},
  storeOptions: EventStoreOptions = {},
  stores: string[] = [],
  terminus = new HealthIndicatorService(),
) {
  @Controller('health')
  class HealthController {
    constructor(
      private readonly health: HealthCheckService,
      private readonly events: EventStoreHealthIndicator,
    ) {}

    @Get('ready')
    @HealthCheck()
    ready() {
      return this.health.check([() => this.events.isHealthy('events', options)]);
    }

    @Get('live')
    @HealthCheck()
    live() {
      return this.health.check([() => this.events.isAlive('events')]);
    }
  }
  const clock = new ManualClock();
  const logger = new RecordingNestLogger();
  const testing = await Test.createTestingModule({
    imports: [
      TerminusModule.forRoot({ logger: false }),
      EventStoreModule.forRoot({ clock, ...storeOptions }),
      ...stores.map((name) => EventStoreModule.forRoot({ name })),
      EventStoreHealthModule,
    ],
    controllers: [HealthController],
    providers: [Billing],
  })
    .overrideProvider(HealthIndicatorService)
    .useValue(terminus)
    .setLogger(logger)
    .compile();
  const app = closedAfterTest(testing.createNestApplication());
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const get = async (path: string) => {
    const answer = await fetch(`${url}/health/${path}`);
    const body = (await answer.json()) as { status: string; details: { events: Record<string, unknown> } };
    return { code: answer.status, status: body.status, events: body.details.events };
  };
  return {
    app,
    clock,
    logger,
    store: app.get(EventStore),
    billing: app.get(Billing),
    ready: () => get('ready'),
    live: () => get('live'),
  };
}

describe('readiness', () => {
  it('is up, and says nothing but that', async () => {
    const { store, app, ready } = await serve();
    await store.append('order-1', { type: 't' });
    await whenSettled(app);

    expect(await ready()).toEqual({ code: 200, status: 'ok', events: { status: 'up' } });
  });

  it('is down when a store fails to answer, and tells the log why, not the caller', async () => {
    let isAway = true;
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'usage' && isAway) throw new Error('connect ECONNREFUSED 10.0.0.7:5432');
      return ask();
    });
    const { ready, logger } = await serve({ details: true }, { engine });

    expect(await ready()).toEqual({
      code: 503,
      status: 'error',
      events: {
        status: 'down',
        problems: ['store "memory-store" does not answer'],
        stores: [{ name: 'memory-store' }],
      },
    });
    expect(logger.errors.map(({ message }) => message).join()).toContain('ECONNREFUSED');
    isAway = false;
    expect(await ready()).toMatchObject({ code: 200, status: 'ok' });
  });

  it('is down while appends fail, although reads are answered, and up again with the first that is kept', async () => {
    let isReadOnly = true;
    const engine = aroundEngine((verb, ask) => {
      if (verb !== 'append' || !isReadOnly) return ask();
      throw new StorageUnavailableError('database', false, new Error('read-only transaction at 10.0.0.7'));
    });
    const { ready, store, logger } = await serve({ details: true }, { engine });
    await rejectionOf(store.append('orders', { type: 't' }));

    expect(await ready()).toMatchObject({
      code: 503,
      events: { status: 'down', problems: ['store "memory-store" does not keep what is appended'] },
    });
    expect(logger.errors.map(({ message }) => message).join()).toContain('read-only transaction');
    isReadOnly = false;
    await store.append('orders', { type: 't' });
    expect(await ready()).toMatchObject({ code: 200, status: 'ok' });
  });

  it('is down when a store takes too long to answer', async () => {
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    let whenAsked!: () => void;
    const asked = new Promise<void>((resolve) => (whenAsked = resolve));
    const engine = aroundEngine((verb, ask) => {
      if (verb !== 'usage') return ask();
      whenAsked();
      return released.then(ask);
    });
    const { ready, clock } = await serve({ timeout: '2s' }, { engine });
    const answer = ready();
    await asked;
    await clock.advance(2_000);

    expect(await answer).toEqual({ code: 503, status: 'error', events: { status: 'down' } });
    release();
  });

  it('is degraded near the limit of streams', async () => {
    const { store, ready } = await serve({ maxStreamsUsed: 0.5, details: true }, { maxStreams: 4 });
    await store.append('a', { type: 't' });
    const before = await ready();
    await store.append('b', { type: 't' });

    expect(before).toMatchObject({ status: 'ok' });
    expect(await ready()).toMatchObject({
      code: 200,
      status: 'degraded',
      events: { status: 'degraded', problems: ['store "memory-store" is near its limit of 4 streams'] },
    });
  });

  it('is degraded when a stream is near the limit of its events, if it is to look', async () => {
    const options = { maxEventsPerStreamUsed: 0.5, details: true };
    const { store, ready } = await serve(options, { maxEventsPerStream: 4, maxStreams: 0 });
    // More streams than are listed at a time.
    for (let n = 0; n < 1_500; n++) await store.append(`a-${n}`, { type: 't' });
    const before = await ready();
    await store.append('z', numbered(1, 2));

    expect(before.events).toMatchObject({ status: 'up', stores: [{ fullestStream: 1, maxEventsPerStream: 4 }] });
    expect(await ready()).toMatchObject({
      status: 'degraded',
      events: { problems: ['store "memory-store" has a stream near its limit of 4 events'] },
    });
  });

  it('is down when listing the streams takes too long', async () => {
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    let whenAsked!: () => void;
    const asked = new Promise<void>((resolve) => (whenAsked = resolve));
    const engine = aroundEngine((verb, ask, request) => {
      // The dead letters are listed from a stream of the store itself.
      if (verb !== 'listStreams' || (request as { prefix: string }).prefix !== '') return ask();
      whenAsked();
      return released.then(ask);
    });
    const { ready, clock } = await serve({ timeout: '2s', maxEventsPerStreamUsed: 0.9 }, { engine });
    const answer = ready();
    await asked;
    await clock.advance(2_000);

    expect(await answer).toMatchObject({ code: 503, status: 'error' });
    release();
  });

  it('looks for no full stream where streams have no limit', async () => {
    const { store, ready } = await serve({ maxEventsPerStreamUsed: 0, details: true }, { maxEventsPerStream: 0 });
    await store.append('a', numbered(1, 3));

    expect((await ready()).status).toBe('ok');
  });

  it('is degraded when the engine uses more memory than it may', async () => {
    const { store, ready } = await serve({ maxMemoryBytes: 100 });
    await store.append('a', numbered(1, 1_000));

    expect(await ready()).toEqual({ code: 200, status: 'degraded', events: { status: 'degraded' } });
  });

  it('is degraded while dead letters wait', async () => {
    const { app, store, billing, ready } = await serve({ details: true });
    billing.failure = new Error('password=secret');
    await store.append('order-1', { type: 't' });
    await whenSettled(app);
    const waiting = await ready();
    const [letter] = await app.get(DeadLetters).list();
    await app.get(DeadLetters).discard(letter.id);

    expect(waiting.events).toMatchObject({
      status: 'degraded',
      problems: ['store "memory-store" has more than 0 dead letters'],
      stores: [{ handlers: [{ name: 'billing', deadLetters: 1 }, { deadLetters: 0 }] }],
    });
    expect(JSON.stringify(waiting)).not.toContain('secret');
    expect(await ready()).toMatchObject({ status: 'ok' });
  });

  it('bears as many dead letters as it is told', async () => {
    const { app, store, billing, ready } = await serve({ maxDeadLetters: 1 });
    billing.failure = new Error('never');
    await store.append('order-1', { type: 't' });
    await whenSettled(app);

    expect(await ready()).toMatchObject({ status: 'ok' });
  });

  it('is degraded when a handler has stopped', async () => {
    const { app, store, ready } = await serve({ details: true });
    await store.append('stopping', { type: 't' });
    await rejectionOf(whenSettled(app));

    const { events } = await ready();
    expect(events).toMatchObject({ problems: ['handler "Billing.stop" has stopped after a failure'] });
    expect(JSON.stringify(events)).not.toContain('secret');
  });

  it('is degraded while a handler is paused', async () => {
    const { app, ready } = await serve({ details: true });
    await app.get(StreamSubscriptions).pause('billing');
    const paused = await ready();
    await app.get(StreamSubscriptions).resume('billing');

    expect(paused.events).toMatchObject({ status: 'degraded', problems: ['handler "billing" is paused'] });
    expect(await ready()).toMatchObject({ status: 'ok' });
  });

  it('bears a handler that another instance runs', async () => {
    const clock = new ManualClock();
    const memory = new SharedMemory(clock);
    await serve({}, { engine: memory.engine(), clock });
    const { store, ready } = await serve({ details: true, maxLag: 0 }, { engine: memory.engine(), clock });
    await store.append('order-1', { type: 't' });

    expect((await ready()).events).toMatchObject({
      status: 'up',
      stores: [{ handlers: [{ name: 'billing', state: 'standby' }, {}] }],
    });
  });

  it('is degraded when a handler is too far behind', async () => {
    const { app, store, billing, ready } = await serve({ maxLag: 2, details: true });
    let release!: () => void;
    billing.held = new Promise((resolve) => (release = resolve));
    await store.append('order-1', [{ type: 't' }, { type: 't' }]);
    const bearable = await ready();
    await store.append('order-1', { type: 't' });
    const tooFar = await ready();
    release();
    await whenSettled(app);

    expect(bearable).toMatchObject({ status: 'ok' });
    expect(tooFar.events).toMatchObject({ problems: ['handler "billing" is more than 2 positions behind'] });
    expect(await ready()).toMatchObject({ status: 'ok' });
  });

  it('is degraded when a handler is behind and does not move', async () => {
    const { app, store, billing, clock, ready } = await serve({ stuckAfter: '20s', details: true });
    clock.jump(3_600_000);
    let release!: () => void;
    billing.held = new Promise((resolve) => (release = resolve));
    await store.append('order-1', { type: 't' });
    const first = await ready();
    clock.jump(19_000);
    const second = await ready();
    clock.jump(1_000);
    const third = await ready();
    release();
    await whenSettled(app);

    const notMovedSince = '2024-01-01T01:00:00.000Z';
    expect([first.status, second.status, third.status]).toEqual(['ok', 'ok', 'degraded']);
    expect(third.events).toMatchObject({
      problems: [`handler "billing" is behind and has not moved since ${notMovedSince}`],
      stores: [{ handlers: [{ name: 'billing', state: 'live', lag: 1, notMovedSince }, {}] }],
    });
    expect(await ready()).toMatchObject({ status: 'ok' });
  });

  it('bears a handler that was paused for long, and has just been resumed', async () => {
    const { app, store, billing, clock, ready } = await serve({ stuckAfter: '20s' });
    await app.get(StreamSubscriptions).pause('billing');
    let release!: () => void;
    billing.held = new Promise((resolve) => (release = resolve));
    await store.append('order-1', { type: 't' });
    await ready();
    clock.jump(3_600_000);
    await app.get(StreamSubscriptions).resume('billing');
    const resumed = await ready();
    clock.jump(20_000);
    const stuck = await ready();
    release();
    await whenSettled(app);

    expect([resumed.status, stuck.status]).toEqual(['ok', 'degraded']);
  });

  it('bears a handler that is behind and moves', async () => {
    const { app, store, billing, clock, ready } = await serve({ stuckAfter: '20s' });
    for (let round = 0; round < 3; round++) {
      let release!: () => void;
      billing.held = new Promise((resolve) => (release = resolve));
      await store.append('order-1', { type: 't' });
      expect(await ready()).toMatchObject({ status: 'ok' });
      clock.jump(15_000);
      release();
      await whenSettled(app);
    }
  });

  it('is down instead of degraded when it is told so', async () => {
    const { app, ready } = await serve({ problemsAre: 'down' });
    await app.get(StreamSubscriptions).pause('billing');

    expect(await ready()).toEqual({ code: 503, status: 'error', events: { status: 'down' } });
  });

  it('tells numbers of stores and handlers when it is asked for details', async () => {
    const { app, store, ready } = await serve({ details: true }, { maxStreams: 0 }, ['audit']);
    await store.append('order-1', numbered(1, 3));
    await whenSettled(app);

    const handler = { state: 'live', position: 3, lag: 0, deadLetters: 0 };
    expect((await ready()).events).toEqual({
      status: 'up',
      problems: [],
      stores: [
        {
          name: 'memory-store',
          events: 3,
          streams: 1,
          maxStreams: 0,
          memoryBytes: expect.any(Number),
          handlers: [
            { ...handler, name: 'billing' },
            { ...handler, name: 'Billing.stop', position: 0 },
          ],
        },
        expect.objectContaining({ name: 'audit', maxStreams: 10_000, handlers: [] }),
      ],
    });
  });

  it('looks at one store only when it is told which', async () => {
    const { app, ready } = await serve({ store: 'audit', details: true }, {}, ['audit']);
    await app.get(StreamSubscriptions).pause('billing');

    expect((await ready()).events).toMatchObject({ status: 'up', stores: [{ name: 'audit' }] });
  });

  it('is written to the log when it changes, not each time', async () => {
    const { app, ready, logger } = await serve();
    await app.get(StreamSubscriptions).pause('billing');
    await ready();
    await ready();
    await app.get(StreamSubscriptions).resume('billing');
    await ready();
    await app.get(StreamSubscriptions).pause('billing');
    await ready();

    expect(logger.warnings).toEqual(['events: handler "billing" is paused', 'events: handler "billing" is paused']);
  });

  it('is written once for each of two checks of one key that look for other things', async () => {
    const { app, store, logger } = await serve({}, { maxStreams: 10 });
    const health = app.get(EventStoreHealthIndicator, { strict: false });
    for (let number = 1; number <= 5; number++) await store.append(`stream-${number}`, { type: 'made' });
    for (let round = 0; round < 3; round++) {
      await health.isHealthy('events', { maxStreamsUsed: 0.5 });
      await health.isHealthy('events', { maxStreamsUsed: 1 });
    }

    expect(logger.warnings).toEqual(['events: store "memory-store" is near its limit of 10 streams']);
  });

  it('says what a store fails with when it begins to, and when that changes', async () => {
    let failure: string | undefined = 'connect ECONNREFUSED';
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'usage' && failure !== undefined) throw new Error(failure);
      return ask();
    });
    const { ready, logger } = await serve({}, { engine });
    for (const now of [failure, failure, 'the password is wrong', undefined, undefined, 'connect ECONNREFUSED']) {
      failure = now;
      await ready();
    }

    expect(logger.errors.map(({ message }) => message)).toEqual([
      'store "memory-store" does not answer: Error: connect ECONNREFUSED',
      'store "memory-store" does not answer: Error: the password is wrong',
      'store "memory-store" does not answer: Error: connect ECONNREFUSED',
    ]);
  });

  it.each<[string, unknown]>([
    ['timeout', 'soon'],
    ['timeout', -1],
    ['maxStreamsUsed', 1.1],
    ['maxStreamsUsed', 'half'],
    ['maxEventsPerStreamUsed', 1.1],
    ['maxEventsPerStreamUsed', null],
    ['maxMemoryBytes', -1],
    ['maxLag', NaN],
    ['stuckAfter', Infinity],
    ['maxDeadLetters', '3'],
    ['problemsAre', 'up'],
    ['details', 'yes'],
    ['store', 5],
    ['store', 'nobody'],
    ['lag', 5],
  ])('refuses the option %s when it is %p', async (option, value) => {
    const { app } = await serve();

    const refusal = await rejectionOf(app.get(EventStoreHealthIndicator).isHealthy('events', { [option]: value }));

    expect(refusal).toMatchObject({ code: 'VALIDATION_FAILED', field: option });
  });
});

describe('with Terminus 11, which does not know degraded', () => {
  it('what is degraded shows as up, with the problems where they are asked for', async () => {
    const { app, ready } = await serve({ details: true }, {}, [], new HealthIndicatorServiceOf11());
    await app.get(StreamSubscriptions).pause('billing');

    expect(await ready()).toMatchObject({
      code: 200,
      status: 'ok',
      events: { status: 'up', problems: ['handler "billing" is paused'] },
    });
  });

  it('it is down when a store does not answer, or when it is told to be', async () => {
    const away = aroundEngine((verb, ask) => {
      if (verb === 'usage') throw new Error('no connection');
      return ask();
    });
    const unreachable = await serve({}, { engine: away }, [], new HealthIndicatorServiceOf11());
    const strict = await serve({ problemsAre: 'down' }, {}, [], new HealthIndicatorServiceOf11());
    await strict.app.get(StreamSubscriptions).pause('billing');

    expect(await unreachable.ready()).toMatchObject({ code: 503, status: 'error' });
    expect(await strict.ready()).toMatchObject({ code: 503, status: 'error' });
  });
});

describe('liveness', () => {
  it('asks no engine, so that one in trouble does not get the application killed', async () => {
    const asked: string[] = [];
    const engine = aroundEngine((verb, ask) => {
      asked.push(verb);
      return ask();
    }, memoryEngine());
    const { live } = await serve({}, { engine });
    asked.length = 0;

    expect(await live()).toEqual({ code: 200, status: 'ok', events: { status: 'up' } });
    expect(asked).toEqual([]);
  });

  it('is down when a store was closed, which only a new start fixes', async () => {
    const { store, live } = await serve();
    await store.close();

    expect(await live()).toEqual({ code: 503, status: 'error', events: { status: 'down' } });
  });
});
