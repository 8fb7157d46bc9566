import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, NotFoundException, Sse } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule, getEventStoreToken, type EventStoreOptions } from 'nestjs-stream-store';
import {
  Audited,
  AuditTrail,
  AuditTrailModule,
  type AuditedOptions,
  type AuditTrailOptions,
} from 'nestjs-stream-store/audit';
import { ManualClock } from 'nestjs-stream-store/testing';
import { of } from 'rxjs';
import { aroundEngine } from '../support/engines/around-engine.js';
import { rejectionOf } from '../support/events.js';
import { closedAfterTest, RecordingNestLogger, startApp, startFailure } from '../support/servers/nest-app.js';
import { RecordingCollector } from '../support/recorders.js';

let handled = 0;

@Controller('orders')
class OrdersController {
  @Get('fine')
  fine() {
    handled++;
    return 'fine';
  }

  @Get('missing')
  missing(): never {
    throw new NotFoundException();
  }

  @Sse('numbers')
  numbers() {
    return of({ data: 1 }, { data: 2 });
  }
}

async function serve(options: AuditTrailOptions, storeOptions: EventStoreOptions = {}) {
  const logger = new RecordingNestLogger();
  const metricsCollector = new RecordingCollector();
  const testing = await Test.createTestingModule({
    imports: [EventStoreModule.forRoot({ metricsCollector, ...storeOptions }), AuditTrailModule.forRoot(options)],
    controllers: [OrdersController],
  })
    .setLogger(logger)
    .compile();
  const app = closedAfterTest(testing.createNestApplication());
  await app.listen(0, '127.0.0.1');
  const url = `${await app.getUrl()}/orders`;
  return { app, logger, metricsCollector, get: (path: string) => fetch(`${url}/${path}`), trail: app.get(AuditTrail) };
}

const fullDisk = () =>
  aroundEngine((verb, ask) => {
    if (verb === 'append') throw new Error('disk full');
    return ask();
  });

describe('a record that cannot be kept', () => {
  it('is said in the log and the metrics, and the request goes on', async () => {
    const { get, logger, metricsCollector } = await serve({}, { engine: fullDisk() });

    expect((await get('fine')).status).toBe(200);
    expect(logger.errors).toMatchObject([{ message: expect.stringContaining('disk full'), context: 'AuditTrail' }]);
    expect(metricsCollector.backgroundFailures).toEqual([{ store: 'memory-store', operation: 'audit-append' }]);
  });

  it('fails the request when it is told so, without telling the caller why', async () => {
    const { get } = await serve({ onFailure: 'fail-request' }, { engine: fullDisk() });
    const answer = await get('fine');

    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('disk');
  });

  it('does not hide what the handler failed with', async () => {
    const { get, logger } = await serve({ onFailure: 'fail-request' }, { engine: fullDisk() });

    expect((await get('missing')).status).toBe(404);
    expect(logger.errors.some(({ message }) => message.includes('disk full'))).toBe(true);
  });

  it('is one that a stream of the day has no room for', async () => {
    const { get, trail } = await serve({ onFailure: 'fail-request', hashChain: true }, { maxEventsPerStream: 1 });
    const answers = [await get('fine'), await get('fine')];

    expect(answers.map(({ status }) => status)).toEqual([200, 500]);
    expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 1 });
  });

  it.each<[string, AuditTrailOptions, object]>([
    ['who it was', { actor: () => fail() }, { actor: null, incomplete: ['actor'] }],
    ['who it was, a moment later', { actor: async () => fail() }, { actor: null, incomplete: ['actor'] }],
    ['which id it has', { correlationId: () => fail() }, { incomplete: ['correlationId'] }],
    ['whether it is left out', { skip: () => fail() }, { outcome: 'success' }],
  ])(
    'whole because a function of the application does not know %s, is kept all the same',
    async (_, options, right) => {
      const { get, trail, logger, metricsCollector } = await serve(options);

      expect((await get('fine')).status).toBe(200);
      expect(await trail.query()).toMatchObject([{ handler: 'OrdersController.fine', ...right }]);
      expect(logger.errors).toMatchObject([{ message: expect.stringContaining('not today') }]);
      expect(metricsCollector.backgroundFailures).toHaveLength(1);
    },
  );

  it.each<[string, AuditTrailOptions]>([
    ['who it was', { actor: () => fail() }],
    ['which id it has', { correlationId: () => fail() }],
    ['whether it is left out', { skip: () => fail() }],
  ])('whole because nobody knows %s, lets the call not begin when it is told so', async (_what, options) => {
    handled = 0;
    const { get, trail } = await serve({ ...options, onFailure: 'fail-request' });

    expect([(await get('fine')).status, handled]).toEqual([500, 0]);
    expect(await trail.query()).toEqual([]);
  });

  it('because redacting it failed, keeps nothing of the request, nor lets it begin when it is told so', async () => {
    handled = 0;
    class Described extends OrdersController {
      override fine() {
        return super.fine();
      }
    }
    Audited({ headers: ['user-agent'] })(Described.prototype, 'fine', descriptorOf(Described, 'fine'));
    Get('fine')(Described.prototype, 'fine', descriptorOf(Described, 'fine'));
    Controller('described')(Described);
    const testing = await Test.createTestingModule({
      imports: [
        EventStoreModule.forRoot(),
        AuditTrailModule.register({ redact: () => fail(), onFailure: 'fail-request' }),
      ],
      controllers: [Described],
    })
      .setLogger(new RecordingNestLogger())
      .compile();
    const app = closedAfterTest(testing.createNestApplication());
    await app.listen(0, '127.0.0.1');
    const answer = await fetch(`${await app.getUrl()}/described/fine`);

    expect([answer.status, handled]).toEqual([500, 0]);
    expect(await app.get(AuditTrail).query()).toEqual([]);
  });

  it('comes at the end of a stream of answers, which has gone out by then', async () => {
    const { get, trail } = await serve({});
    const text = await (await get('numbers')).text();

    expect(text).toMatch(/data: 1[^]*data: 2/);
    expect(await trail.query()).toMatchObject([{ outcome: 'success', answers: 2 }]);
  });
});

describe('the query', () => {
  const about = { action: 'x', handler: 'X.x', transport: 'http', outcome: 'success', durationMs: 1 } as const;

  async function filled() {
    const app = await startApp({ imports: [EventStoreModule.forRoot(), AuditTrailModule.forRoot()] });
    const trail = app.get(AuditTrail);
    for (const [day, actor] of [
      ['2024-01-03', 'ada'],
      ['2024-01-01', 'bob'],
      ['2024-01-02', { tenant: 't1', user: 'ada' }],
      ['2024-01-04', 'ada'],
    ] as const) {
      await trail.record({ ...about, actor, correlationId: day }, new Date(`${day}T12:00:00Z`));
    }
    await app.get(EventStore).append('audit-other', { type: 'not.audited', data: { actor: 'ada' } });
    const days = async (query: Parameters<AuditTrail['query']>[0]) =>
      (await trail.query(query)).map(({ correlationId }) => correlationId.slice(8));
    return { trail, days };
  }

  it('gives records by time, actor and number, the oldest first', async () => {
    const { trail, days } = await filled();

    expect(await days({})).toEqual(['01', '02', '03', '04']);
    expect(await days({ from: '2024-01-02T12:00:00Z', to: new Date('2024-01-03T12:00:00Z') })).toEqual(['02', '03']);
    expect(await days({ actor: 'ada' })).toEqual(['03', '04']);
    expect(await days({ actor: { user: 'ada', tenant: 't1' } })).toEqual(['02']);
    expect(await days({ limit: 2 })).toEqual(['01', '02']);
    expect(await days({ actor: 'ada', limit: 1 })).toEqual(['03']);
    expect((await trail.query({ limit: 1 }))[0]).toEqual({
      ...about,
      actor: 'bob',
      correlationId: '2024-01-01',
      id: expect.any(String),
      at: new Date('2024-01-01T12:00:00Z'),
      streamId: 'audit-2024-01-01',
      position: 1,
    });
  });

  it.each([[{ who: 'ada' }], [{ limit: 1.5 }], [{ from: 'yesterday' }], [{ from: 2, to: 1 }]])(
    'refuses %p',
    async (query) => {
      const { trail } = await filled();

      expect(await rejectionOf(trail.query(query as never))).toMatchObject({ code: 'VALIDATION_FAILED' });
    },
  );
});

describe('the module', () => {
  it('writes to the store that it is told, which may be one of its own', async () => {
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot(),
        EventStoreModule.forRoot({ name: 'audit', clock: new ManualClock() }),
        AuditTrailModule.forRootAsync({ useFactory: () => ({ store: 'audit' }) }),
      ],
    });
    const trail = app.get(AuditTrail);
    await trail.record({ actor: 1 } as never, trail.now());

    expect(await app.get<EventStore>(getEventStoreToken('audit')).getStreams()).toMatchObject([
      { streamId: 'audit-2024-01-01' },
    ]);
    expect((await app.get(EventStore).stats()).totalEvents).toBe(0);
  });

  it('calls its streams as it is told, and finds its records by that', async () => {
    const app = await startApp({
      imports: [EventStoreModule.forRoot(), AuditTrailModule.forRoot({ stream: 'trail', hashChain: true })],
    });
    const trail = app.get(AuditTrail);
    // The day in UTC is another one than where the call was made.
    await trail.record({ actor: 1 } as never, new Date('2024-01-01T23:30:00-05:00'));

    expect(await app.get(EventStore).getStreams()).toMatchObject([{ streamId: 'trail-2024-01-02' }]);
    expect(await trail.query()).toMatchObject([{ actor: 1, streamId: 'trail-2024-01-02' }]);
    expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 1 });
  });

  it.each<[unknown, string]>([
    [{ store: 5 }, 'AuditTrailModule.store'],
    [{ store: 'nobody' }, 'AuditTrailModule.store'],
    [{ stream: '' }, 'AuditTrailModule.stream'],
    [{ stream: '$audit' }, 'AuditTrailModule.stream'],
    [{ skip: ['x'] }, 'AuditTrailModule.skip'],
    [{ actor: 'ada' }, 'AuditTrailModule.actor'],
    [{ correlationId: 'x' }, 'AuditTrailModule.correlationId'],
    [{ redact: true }, 'AuditTrailModule.redact'],
    [{ onFailure: 'ignore' }, 'AuditTrailModule.onFailure'],
    [{ hashChain: 1 }, 'AuditTrailModule.hashChain'],
    [{ body: 'amount' }, 'AuditTrailModule.body'],
    [{ params: [''] }, 'AuditTrailModule.params'],
    [{ query: [5] }, 'AuditTrailModule.query'],
    [{ headers: ['Authorization'] }, 'AuditTrailModule.headers'],
    [{ headers: ['COOKIE'] }, 'AuditTrailModule.headers'],
    [{ fields: [] }, 'AuditTrailModule.fields'],
  ])('refuses %p', async (options, field) => {
    const audit = AuditTrailModule.register(options as AuditTrailOptions);

    expect(await startFailure({ imports: [EventStoreModule.forRoot(), audit] })).toMatchObject({ field });
  });

  it('refuses an application without a store', async () => {
    @Module({ imports: [AuditTrailModule.forRoot()] })
    class AppModule {}

    expect(await startFailure({ imports: [AppModule] })).toMatchObject({ field: 'AuditTrailModule.store' });
  });

  it.each([[{ action: '' }], [{ body: 'amount' }], [{ headers: ['x-api-key'] }], [{ who: 'me' }]])(
    'refuses @Audited(%p) where it stands',
    (options) => {
      expect(() => Audited(options as AuditedOptions)).toThrow(/@Audited/);
    },
  );

  it('audits nothing, and says so, when a test has put something else in the place of the store', async () => {
    const logger = new RecordingNestLogger();
    const testing = await Test.createTestingModule({
      imports: [EventStoreModule.forRoot(), AuditTrailModule.forRoot()],
      controllers: [OrdersController],
    })
      .overrideProvider(EventStore)
      .useValue({})
      .setLogger(logger)
      .compile();
    const app = closedAfterTest(testing.createNestApplication());
    await app.listen(0, '127.0.0.1');

    expect((await fetch(`${await app.getUrl()}/orders/fine`)).status).toBe(200);
    expect(logger.warnings.join()).toContain('Nothing is audited');
  });
});

function fail(): never {
  throw new Error('not today');
}

function descriptorOf(type: new () => object, method: string): PropertyDescriptor {
  return Object.getOwnPropertyDescriptor(type.prototype, method)!;
}
