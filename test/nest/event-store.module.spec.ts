import { describe, expect, it } from '@jest/globals';
import { Injectable, Module, type OnModuleInit } from '@nestjs/common';
import {
  EventStore,
  EventStoreModule,
  type EventStoreOptions,
  getEventStoreToken,
  InjectEventStore,
  memoryEngine,
  ValidationError,
} from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';
import { rejectionOf } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger, startApp, startFailure } from '../support/servers/nest-app.js';
import { RecordingCollector, RecordingLogger } from '../support/recorders.js';

@Injectable()
class Orders {
  constructor(
    readonly store: EventStore,
    @InjectEventStore() readonly unnamed: EventStore,
    @InjectEventStore('memory-store') readonly named: EventStore,
  ) {}
}

@Injectable()
class Audit {
  constructor(@InjectEventStore('audit') readonly store: EventStore) {}
}

describe('EventStoreModule.forRoot', () => {
  it('without options gives a store that works', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Orders] });
    const { store } = app.get(Orders);

    await store.append('order-1', { type: 'order.placed', data: { price: 3 } });

    expect(store).toBeInstanceOf(EventStore);
    expect(store.name).toBe('memory-store');
    expect(await store.readStream('order-1')).toMatchObject([{ type: 'order.placed', position: 1 }]);
  });

  it('gives one store under the class, the unnamed and the named token', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Orders] });
    const { store, unnamed, named } = app.get(Orders);

    expect([unnamed, named, app.get(EventStore), app.get(getEventStoreToken('memory-store'))]).toEqual(
      Array(4).fill(expect.anything()),
    );
    expect([unnamed, named, app.get(getEventStoreToken())].every((same) => same === store)).toBe(true);
  });

  it('hands its options to the store', async () => {
    const clock = new ManualClock();
    const metricsCollector = new RecordingCollector();
    const asked: string[] = [];
    const engine = aroundEngine((verb, ask) => {
      asked.push(verb);
      return ask();
    });
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot({
          name: 'audit',
          maxEventsPerStream: 2,
          maxStreams: 1,
          retentionDuration: '1m',
          snapshotInterval: 0,
          clock,
          metricsCollector,
          engine,
        }),
      ],
      providers: [Audit],
    });
    const { store } = app.get(Audit);

    await store.append('a', [{ type: 'x' }, { type: 'x' }]);

    expect([asked[0], asked.at(-1)]).toEqual(['open', 'append']);
    expect(await rejectionOf(store.append('a', { type: 'x' }))).toMatchObject({ limit: 'maxEventsPerStream' });
    expect(await rejectionOf(store.append('b', { type: 'x' }))).toMatchObject({ limit: 'maxStreams' });
    expect(metricsCollector.appends[0]).toMatchObject({ store: 'audit', outcome: 'ok', events: 2 });
    await clock.advance(61_000);
    expect(await store.readStream('a')).toEqual([]);
  });

  it('reports what fails in the background to the logger of the application', async () => {
    const clock = new ManualClock();
    const logger = new RecordingNestLogger();
    const onExpire = (): never => {
      throw new Error('the archive is full');
    };
    const app = await startApp(
      { imports: [EventStoreModule.forRoot({ retentionDuration: '1m', snapshotInterval: 0, clock, onExpire })] },
      logger,
    );
    await app.get(EventStore).append('a', { type: 'x' });

    await clock.advance(66_000);

    expect(logger.errors[0]).toMatchObject({ context: 'EventStore' });
    expect(logger.errors[0].message).toContain('memory-store');
    expect(logger.errors[0].stack).toContain('the archive is full');
  });

  it('reports to the logger that was given, if one was', async () => {
    const clock = new ManualClock();
    const logger = new RecordingLogger();
    const nestLogger = new RecordingNestLogger();
    const onExpire = (): never => {
      throw new Error('the archive is full');
    };
    const options = { retentionDuration: '1m', snapshotInterval: 0, clock, onExpire, logger };
    const app = await startApp({ imports: [EventStoreModule.forRoot(options)] }, nestLogger);
    await app.get(EventStore).append('a', { type: 'x' });

    await clock.advance(66_000);

    expect([logger.errors.length > 0, nestLogger.errors]).toEqual([true, []]);
  });

  it('opens the store before other modules start to work, and once', async () => {
    const opened: string[] = [];
    const engine = aroundEngine(async (verb, ask) => {
      await settled();
      if (verb === 'open') opened.push('engine');
      return ask();
    });

    @Injectable()
    class Importer implements OnModuleInit {
      constructor(readonly store: EventStore) {}

      async onModuleInit(): Promise<void> {
        await this.store.append('imports', { type: 'begun' });
        opened.push('importer');
      }
    }

    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Importer] });

    expect(opened).toEqual(['engine', 'importer']);
    expect((await app.get(EventStore).stats()).totalEvents).toBe(1);
  });

  it('can be used in a constructor and in an async factory', async () => {
    @Injectable()
    class Eager {
      readonly appended: Promise<unknown>;

      constructor(readonly store: EventStore) {
        this.appended = store.append('early', { type: 'constructed' });
      }
    }
    const app = await startApp({
      imports: [EventStoreModule.forRoot()],
      providers: [
        Eager,
        {
          provide: 'FACTORY',
          useFactory: async (store: EventStore) => store.append('early', { type: 'made' }),
          inject: [EventStore],
        },
      ],
    });
    await app.get(Eager).appended;

    expect((await app.get(EventStore).readStream('early')).map(({ type }) => type).sort()).toEqual([
      'constructed',
      'made',
    ]);
  });

  it('lets the application fail to start when the engine cannot be opened', async () => {
    const failure = new Error('no such host');
    const engine = aroundEngine((verb, ask) => (verb === 'open' ? Promise.reject(failure) : ask()));

    expect(await startFailure({ imports: [EventStoreModule.forRoot({ engine })] })).toBe(failure);
  });

  it.each<[string, unknown, string]>([
    ['an option that nobody knows', { maxEventPerStream: 5 }, 'maxEventPerStream'],
    ['a limit below zero', { maxStreams: -1 }, 'maxStreams'],
    ['a limit that is no number', { maxEventsPerStream: '5' }, 'maxEventsPerStream'],
    ['text that is no duration', { retentionDuration: 'soon' }, 'retentionDuration'],
    ['a negative interval', { snapshotInterval: -1 }, 'snapshotInterval'],
    ['an empty name', { name: '' }, 'name'],
    ['a name with a control character', { name: 'a\nb' }, 'name'],
    ['a logger without methods', { logger: {} }, 'logger'],
    ['a clock without methods', { clock: {} }, 'clock'],
    ['an onExpire that is no function', { onExpire: 'archive' }, 'onExpire'],
  ])('lets the application fail to start on %s, and names it', async (_what, options, field) => {
    const failure = await startFailure({ imports: [EventStoreModule.forRoot(options as EventStoreOptions)] });

    expect(failure).toBeInstanceOf(ValidationError);
    expect((failure as ValidationError).field.split('.')).toContain(field);
    expect(failure.message).toContain(field);
  });

  it('lets the application fail to start on an engine that is none', async () => {
    const options = { engine: { name: 'postgres' } } as unknown as EventStoreOptions;

    expect(await startFailure({ imports: [EventStoreModule.forRoot(options)] })).toMatchObject({
      name: 'ValidationError',
      field: 'engine',
    });
  });
});

describe('two stores of one name', () => {
  it.each([
    ['both without a name', [EventStoreModule.forRoot(), EventStoreModule.forRoot()], 'memory-store'],
    [
      'one of them by its default name',
      [EventStoreModule.forRoot({ name: 'memory-store' }), EventStoreModule.forRoot()],
      'memory-store',
    ],
    [
      'both with a name',
      [EventStoreModule.forRoot({ name: 'audit' }), EventStoreModule.forRoot({ name: 'audit' })],
      'audit',
    ],
    [
      'one of them asynchronous',
      [
        EventStoreModule.forRoot({ name: 'audit' }),
        EventStoreModule.forRootAsync({ name: 'audit', useFactory: () => ({}) }),
      ],
      'audit',
    ],
    [
      'one of them not global',
      [EventStoreModule.forRoot({ name: 'audit' }), EventStoreModule.forRoot({ name: 'audit', isGlobal: false })],
      'audit',
    ],
  ])('do not start: %s', async (_what, imports, name) => {
    const failure = await startFailure({ imports });

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toContain(`"${name}"`);
    expect(failure.message).toMatch(/another name/);
  });

  it('are one when it is the same import in two modules', async () => {
    const eventStore = EventStoreModule.forRoot();

    @Module({ imports: [eventStore] })
    class Sales {}

    @Module({ imports: [eventStore] })
    class Shipping {}

    const app = await startApp({ imports: [Sales, Shipping] });

    expect(app.get(EventStore)).toBeInstanceOf(EventStore);
  });
});

describe('isGlobal: false', () => {
  const local = (): ReturnType<typeof EventStoreModule.forRoot> =>
    EventStoreModule.forRoot({ name: 'audit', isGlobal: false });

  it('gives the store to the module that imports it', async () => {
    @Module({ imports: [local()], providers: [Audit], exports: [Audit] })
    class AuditModule {}

    const app = await startApp({ imports: [AuditModule] });

    expect(app.get(Audit, { strict: false }).store.name).toBe('audit');
  });

  it.each([
    ['the named token', Audit, 'EventStore:audit'],
    ['the class', Orders, 'EventStore'],
  ])('hides the store from other modules: %s', async (_what, provider, token) => {
    @Module({ imports: [local()] })
    class AuditModule {}

    @Module({ providers: [provider] })
    class OtherModule {}

    const failure = await startFailure({ imports: [AuditModule, OtherModule] });

    expect(failure.message).toContain("can't resolve dependencies");
    expect(failure.message).toContain(token);
  });

  it.each([
    ['left out', {}],
    ['undefined', { isGlobal: undefined }],
    ['true', { isGlobal: true }],
  ])('is not what is meant when isGlobal is %s', async (_what, options) => {
    @Module({ imports: [EventStoreModule.forRoot({ name: 'audit', ...options })] })
    class AuditModule {}

    @Module({ providers: [Audit] })
    class OtherModule {}

    const app = await startApp({ imports: [AuditModule, OtherModule] });

    expect(app.get(Audit, { strict: false }).store.name).toBe('audit');
  });
});

describe('an application without handlers', () => {
  it('opens no subscription', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine: memoryEngine() })] });

    expect((await app.get(EventStore).stats()).subscriptionsActive).toBe(0);
  });
});
