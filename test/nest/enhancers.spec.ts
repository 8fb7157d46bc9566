import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  BadRequestException,
  type CallHandler,
  type CanActivate,
  Catch,
  createParamDecorator,
  type ExceptionFilter,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  ParseIntPipe,
  type PipeTransform,
  type Provider,
  Scope,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import {
  APP_FILTER,
  APP_GUARD,
  APP_INTERCEPTOR,
  APP_PIPE,
  ContextIdFactory,
  type ContextId,
  type ContextIdStrategy,
  type HostComponentInfo,
  REQUEST,
} from '@nestjs/core';
import type { TestingModule } from '@nestjs/testing';
import {
  DeadLetters,
  EventData,
  EventMetadata,
  EventStore,
  EventStoreModule,
  type JsonValue,
  type NewEvent,
  OnStreamEvent,
  type RecordedEvent,
  STREAM_EVENT_CONTEXT,
  type StreamEventContext,
  StreamNotFoundError,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { EMPTY, map, Observable, of, tap, throwError } from 'rxjs';
import { numbered } from '../support/events.js';
import { RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

/** What happened in one test, in order. */
const log: unknown[] = [];

afterEach(() => {
  log.length = 0;
});

const DURABLE = { durable: 'handler', retry: { attempts: 2, initialDelayMs: 0 } };

/** Starts an application with a handler, and lets it handle some events. */
async function deal(events: NewEvent[], handler: Type, ...more: Provider[]): Promise<TestingModule> {
  // What is said of the whole application is of no concern to handlers, unless they ask for it.
  return dealWith({}, events, handler, ...more);
}

async function dealWith(
  options: { globalEnhancers?: boolean },
  events: NewEvent[],
  handler: Type,
  ...more: Provider[]
): Promise<TestingModule> {
  const app = await startApp({ imports: [EventStoreModule.forRoot(options)], providers: [handler, ...more] });
  await app.get(EventStore).append('orders', events);
  await app.get(StreamSubscriptions).whenSettled();
  return app;
}

/** The names of the errors that made dead letters. */
async function deadBy(app: TestingModule): Promise<string[]> {
  return (await app.get(DeadLetters).list()).map(({ error }) => error.name);
}

describe('a guard of a handler', () => {
  @Injectable()
  class OddOnly implements CanActivate {
    canActivate(context: ExecutionContext): boolean {
      const [event, { attempt }] = context.getArgs<[RecordedEvent<number>, StreamEventContext]>();
      log.push(`guard ${event.data} attempt ${attempt}`);
      return event.data % 2 === 1;
    }
  }

  it('that denies fails the attempt, so the event is tried again and becomes a dead letter', async () => {
    @Injectable()
    class Handler {
      @UseGuards(OddOnly)
      @OnStreamEvent('orders', DURABLE)
      on({ data }: RecordedEvent): void {
        log.push(data);
      }
    }

    const app = await deal(numbered(1, 3), Handler);

    expect(log).toEqual(['guard 1 attempt 1', 1, 'guard 2 attempt 1', 'guard 2 attempt 2', 'guard 3 attempt 1', 3]);
    expect(await deadBy(app)).toEqual(['ForbiddenException']);
  });

  it('of a live handler keeps the event from it', async () => {
    @Injectable()
    @UseGuards(OddOnly)
    class Handler {
      @OnStreamEvent('orders')
      on({ data }: RecordedEvent): void {
        log.push(data);
      }
    }

    await deal(numbered(1, 3), Handler);

    expect(log.filter((entry) => typeof entry === 'number')).toEqual([1, 3]);
  });

  it('sees what is called, with what, and that it is an event', async () => {
    const seen: unknown[] = [];

    @Injectable()
    class Watching implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        seen.push(context.getType(), context.getClass(), context.getHandler(), context.getArgByIndex(0));
        seen.push(context.getArgByIndex<StreamEventContext>(1).subscription);
        return true;
      }
    }

    @Injectable()
    class Handler {
      @UseGuards(Watching)
      @OnStreamEvent('orders', DURABLE)
      on(): void {}
    }

    const app = await deal(numbered(1, 1), Handler);
    const [event] = await app.get(EventStore).readStream('orders');

    expect(STREAM_EVENT_CONTEXT).toBe('stream-event');
    // eslint-disable-next-line @typescript-eslint/unbound-method -- to be compared, not to be called
    expect(seen).toEqual(['stream-event', Handler, Handler.prototype.on, event, 'handler']);
  });

  it('may be one for the whole application', async () => {
    @Injectable()
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      on({ data }: RecordedEvent): void {
        log.push(data);
      }
    }

    const app = await dealWith({ globalEnhancers: true }, numbered(2, 3), Handler, {
      provide: APP_GUARD,
      useClass: OddOnly,
    });

    expect(log.filter((entry) => typeof entry === 'number')).toEqual([3]);
    expect(await deadBy(app)).toEqual(['ForbiddenException']);
  });
});

describe('a parameter of a handler', () => {
  const event: NewEvent = {
    type: 'order.placed',
    data: { id: 'o-1', price: '30', items: ['a', 'b'] },
    metadata: { userId: '7', tags: { vip: true } },
  };

  it('gets the data or the metadata of the event, or one member', async () => {
    @Injectable()
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      on(
        @EventData() data: JsonValue,
        @EventData('items') items: string[],
        @EventMetadata() metadata: JsonValue,
        @EventMetadata('tags') tags: JsonValue,
        @EventData('nothing') nothing: unknown,
        @EventMetadata('nothing') noMetadata: unknown,
      ): void {
        log.push(data, items, metadata, tags, nothing, noMetadata);
      }
    }

    await deal([event], Handler);

    expect(log).toEqual([event.data, ['a', 'b'], event.metadata, { vip: true }, undefined, undefined]);
  });

  it.each<[string, JsonValue]>([
    ['nothing', null],
    ['a text', 'text'],
    ['a number', 5],
    ['an array', [1]],
  ])('gets undefined for a member of data that are %s', async (_what, data) => {
    @Injectable()
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      on(@EventData() all: unknown, @EventData('price') price: unknown): void {
        log.push(all, price);
      }
    }

    await deal([{ type: 'odd', data }], Handler);

    expect(log).toEqual([data, undefined]);
  });

  it('goes through its pipes, in order, with and without a member', async () => {
    class Doubling implements PipeTransform<number, number> {
      transform(value: number): number {
        return value * 2;
      }
    }

    @Injectable()
    class Sizing implements PipeTransform {
      transform(value: object): number {
        return Object.keys(value).length;
      }
    }

    @Injectable()
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      on(
        @EventData('price', ParseIntPipe, new Doubling()) price: number,
        @EventMetadata('userId', ParseIntPipe) userId: number,
        @EventData(Sizing) members: number,
        @EventMetadata(new Sizing(), Doubling) doubled: number,
      ): void {
        log.push(price, userId, members, doubled);
      }
    }

    await deal([event], Handler, Sizing);

    expect(log).toEqual([60, 7, 3, 4]);
  });

  it('that a pipe refuses fails the attempt', async () => {
    @Injectable()
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      on(@EventData('id', ParseIntPipe) id: number): void {
        log.push(id);
      }
    }

    const app = await deal([event, { type: 'order.placed', data: { id: '5' } }], Handler);

    expect(log).toEqual([5]);
    expect(await deadBy(app)).toEqual(['BadRequestException']);
  });

  it('goes through the pipes of the method, and of the whole application', async () => {
    const marking = (mark: string): PipeTransform => ({
      transform: (value: unknown, { type, data }) => [mark, type, data, value],
    });

    @Injectable()
    class Handler {
      @UsePipes(marking('method'))
      @OnStreamEvent('orders', DURABLE)
      on(@EventData('price') price: unknown): void {
        log.push(price);
      }
    }

    await dealWith({ globalEnhancers: true }, [event], Handler, { provide: APP_PIPE, useValue: marking('global') });

    expect(log).toEqual([['method', 'custom', 'price', ['global', 'custom', 'price', '30']]]);
  });

  it('may have a decorator of the application’s own, which gets at event and context', async () => {
    const Attempt = createParamDecorator(
      (_data: unknown, context: ExecutionContext) => context.getArgByIndex<StreamEventContext>(1).attempt,
    );
    const Position = createParamDecorator(
      (_data: unknown, context: ExecutionContext) => context.getArgByIndex<RecordedEvent>(0).position,
    );

    @Injectable()
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      on(@Position() position: number, @Attempt() attempt: number, @EventData('id') id: string): void {
        log.push([position, attempt, id]);
        if (attempt === 1) throw new Error('once more');
      }
    }

    await deal([event], Handler);

    expect(log).toEqual([
      [1, 1, 'o-1'],
      [1, 2, 'o-1'],
    ]);
  });

  it('without decorators is the event, and the next the context', async () => {
    @Injectable()
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      on(...args: unknown[]): void {
        log.push(...args);
      }
    }

    const app = await deal([event], Handler);

    expect(log).toHaveLength(2);
    expect(log[0]).toBe((await app.get(EventStore).readStream('orders'))[0]);
    expect(log[1]).toMatchObject({ subscription: 'handler', attempt: 1 });
  });
});

describe('an interceptor of a handler', () => {
  it('runs around it, from the outside in, once for each attempt', async () => {
    const around = (name: string): NestInterceptor => ({
      intercept: (_context: ExecutionContext, next: CallHandler) => {
        log.push(`${name} before`);
        return next
          .handle()
          .pipe(tap({ next: () => log.push(`${name} after`), error: () => log.push(`${name} failed`) }));
      },
    });
    let failures = 1;

    @UseInterceptors(around('class'))
    @Injectable()
    class Handler {
      @UseInterceptors(around('method'))
      @OnStreamEvent('orders', DURABLE)
      on(): void {
        log.push('handler');
        if (failures-- > 0) throw new Error('broken');
      }
    }

    await dealWith({ globalEnhancers: true }, numbered(1, 1), Handler, {
      provide: APP_INTERCEPTOR,
      useValue: around('global'),
    });

    const before = ['global before', 'class before', 'method before', 'handler'];
    expect(log).toEqual([
      ...before,
      ...['method failed', 'class failed', 'global failed'],
      ...before,
      ...['method after', 'class after', 'global after'],
    ]);
  });

  it.each<[string, (next: CallHandler) => Observable<unknown>, string[]]>([
    ['that answers in its place acknowledges the event', () => of('instead'), []],
    [
      'that fails after it fails the attempt',
      (next) => next.handle().pipe(map(() => fail('after'))),
      ['Error', 'Error'],
    ],
    ['that ends without a value fails the attempt', () => EMPTY, ['EmptyError', 'EmptyError']],
  ])('%s', async (_what, intercept, errors) => {
    @Injectable()
    class Handler {
      @UseInterceptors({ intercept: (_context, next: CallHandler) => intercept(next) } satisfies NestInterceptor)
      @OnStreamEvent('orders', DURABLE)
      on(): void {}
    }

    const app = await deal(numbered(1, 2), Handler);

    expect(await deadBy(app)).toEqual(errors);
  });
});

function fail(message: string): never {
  throw new Error(message);
}

describe('an exception filter of a handler', () => {
  /** A handler with that filter, which fails on every event. */
  function failing(filter: ExceptionFilter): Type {
    @Injectable()
    class Handler {
      @UseFilters(filter)
      @OnStreamEvent('orders', DURABLE)
      on({ data }: RecordedEvent): void {
        throw Number(data) === 1 ? new BadRequestException('one') : new TypeError('two');
      }
    }
    return Handler;
  }

  it('that swallows the failure acknowledges the event', async () => {
    @Catch()
    class Swallowing implements ExceptionFilter {
      async catch(error: Error, host: ArgumentsHost): Promise<void> {
        log.push([host.getType<string>(), host.getArgByIndex<RecordedEvent>(0).position, error.message]);
      }
    }

    const app = await deal(numbered(1, 2), failing(new Swallowing()));

    expect(log).toEqual([
      ['stream-event', 1, 'one'],
      ['stream-event', 2, 'two'],
    ]);
    expect(await deadBy(app)).toEqual([]);
    expect(await app.get(StreamSubscriptions).list()).toMatchObject([{ failures: 0, lag: 0, lastError: undefined }]);
  });

  it('that returns a value acknowledges the event, too', async () => {
    const app = await deal(numbered(1, 2), failing({ catch: () => 'handled' }));

    expect(await deadBy(app)).toEqual([]);
  });

  it('that throws the error on fails the attempt with it', async () => {
    const app = await deal(
      numbered(1, 2),
      failing({
        catch: (error: Error) => {
          throw error;
        },
      }),
    );

    expect((await deadBy(app)).sort()).toEqual(['BadRequestException', 'TypeError']);
  });

  it.each<[string, () => unknown]>([
    [
      'throws another error',
      () => {
        throw new RangeError('response.status is not a function');
      },
    ],
    ['rejects with another error', () => Promise.reject(new RangeError('response.status is not a function'))],
    ['answers as those for messages do', () => throwError(() => new RangeError('response.status is not a function'))],
  ])('that %s hides nothing: the failure is that of the handler, and names both', async (_what, handle) => {
    const logger = new RecordingNestLogger();
    const providers = [failing({ catch: handle })];
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers }, logger);
    await app.get(EventStore).append('orders', numbered(1, 1));
    await app.get(StreamSubscriptions).whenSettled();
    const [letter] = await app.get(DeadLetters).list();

    expect(letter.error).toMatchObject({
      name: 'BadRequestException',
      message: 'one (its exception filter failed: RangeError: response.status is not a function)',
      stack: expect.stringMatching(/one[^]*Handler\.on[^]*RangeError[^]*at /),
    });
    expect(await app.get(StreamSubscriptions).list()).toMatchObject([{ lastError: new BadRequestException('one') }]);
    expect(logger.errors.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/BadRequestException: one \(its exception filter failed: RangeError/),
    );
  });

  it('keeps what was thrown that is no error, and metrics keep the code of the failure', async () => {
    const outcomes: string[] = [];
    @Injectable()
    @UseFilters({ catch: () => fail('in the filter') })
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      on({ data }: RecordedEvent): void {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- some do
        throw data === 1 ? 'a text' : new StreamNotFoundError('order-7');
      }
    }
    const metricsCollector = { onHandlerAttempt: ({ outcome }: { outcome: string }) => void outcomes.push(outcome) };
    const app = await startApp({ imports: [EventStoreModule.forRoot({ metricsCollector })], providers: [Handler] });
    await app.get(EventStore).append('orders', numbered(1, 2));
    await app.get(StreamSubscriptions).whenSettled();

    const messages = (await app.get(DeadLetters).list()).map(({ error }) => error.message);
    expect(messages[0]).toBe("'a text' (its exception filter failed: Error: in the filter)");
    expect(messages[1]).toMatch(
      /^There is no stream "order-7".* \(its exception filter failed: Error: in the filter\)$/,
    );
    expect(outcomes.sort()).toEqual(['STREAM_NOT_FOUND', 'STREAM_NOT_FOUND', 'UNKNOWN', 'UNKNOWN']);
  });

  it('is asked only for the errors that it is for', async () => {
    @Catch(BadRequestException)
    class ForBadRequests implements ExceptionFilter {
      async catch(): Promise<void> {
        log.push('caught');
      }
    }

    const app = await deal(numbered(1, 2), failing(new ForBadRequests()));

    expect(log).toEqual(['caught']);
    expect(await deadBy(app)).toEqual(['TypeError']);
  });

  it('may be one for the whole application', async () => {
    @Catch(TypeError)
    class Global implements ExceptionFilter {
      async catch(): Promise<void> {
        log.push('caught');
      }
    }

    @Injectable()
    class Handler {
      @OnStreamEvent('orders', DURABLE)
      on(): void {
        throw new TypeError('broken');
      }
    }

    const app = await dealWith({ globalEnhancers: true }, numbered(1, 1), Handler, {
      provide: APP_FILTER,
      useClass: Global,
    });

    expect([log, await deadBy(app)]).toEqual([['caught'], []]);
  });

  it('gets what guards and pipes throw', async () => {
    @Injectable()
    class Handler {
      @UseFilters({
        catch: async (error: Error) => {
          log.push(error.name);
        },
      })
      @OnStreamEvent('orders', DURABLE)
      on(@EventData(ParseIntPipe) _data: number): void {}
    }

    const app = await deal([{ type: 'odd', data: 'text' }], Handler);

    expect([log, await deadBy(app)]).toEqual([['BadRequestException'], []]);
  });
});

describe('a request-scoped class with a durable handler', () => {
  it('is made anew for each attempt, and REQUEST is the event', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerEvent {
      calls = 0;

      constructor(@Inject(REQUEST) private readonly request: RecordedEvent) {
        log.push('made');
      }

      @OnStreamEvent('orders', DURABLE)
      on(event: RecordedEvent, { attempt }: StreamEventContext): void {
        log.push([event.data, attempt, ++this.calls, this.request === event]);
        if (event.data === 1 && attempt === 1) throw new Error('once more');
      }
    }

    await deal(numbered(1, 2), PerEvent);

    expect(log).toEqual(['made', [1, 1, 1, true], 'made', [1, 2, 1, true], 'made', [2, 1, 1, true]]);
  });

  it('shares what is made for the event with everything that injects it', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Session {
      readonly number = log.push('session');
      constructor(@Inject(REQUEST) readonly event: RecordedEvent) {}
    }

    @Injectable()
    class Mailer {
      constructor(readonly session: Session) {}
    }

    @Injectable()
    class Handler {
      constructor(
        private readonly session: Session,
        private readonly mailer: Mailer,
      ) {}

      @OnStreamEvent('orders', DURABLE)
      on(event: RecordedEvent): void {
        log.push([this.session === this.mailer.session, this.session.event === event]);
      }
    }

    await deal(numbered(1, 2), Handler, Mailer, Session);

    expect(log).toEqual(['session', [true, true], 'session', [true, true]]);
  });

  it('may be so because of a guard', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerEventGuard implements CanActivate {
      constructor(@Inject(REQUEST) private readonly request: RecordedEvent) {}

      canActivate(context: ExecutionContext): boolean {
        return this.request === context.getArgByIndex(0) && this.request.data !== 2;
      }
    }

    @Injectable()
    class Handler {
      @UseGuards(PerEventGuard)
      @OnStreamEvent('orders', DURABLE)
      on({ data }: RecordedEvent): void {
        log.push(data);
      }
    }

    const app = await deal(numbered(1, 3), Handler);

    expect(log).toEqual([1, 3]);
    expect(await deadBy(app)).toEqual(['ForbiddenException']);
  });

  it('fails the attempt when it cannot be made', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerEvent {
      constructor(@Inject(REQUEST) { data }: RecordedEvent) {
        if (data === 1) throw new Error('cannot be made');
      }

      @OnStreamEvent('orders', DURABLE)
      on({ data }: RecordedEvent): void {
        log.push(data);
      }
    }

    const app = await deal(numbered(1, 2), PerEvent);

    expect(log).toEqual([2]);
    expect(await app.get(DeadLetters).list()).toMatchObject([{ attempts: 2, error: { message: 'cannot be made' } }]);
  });

  it('of which several are at work at a time does not mix them up', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerEvent {
      constructor(@Inject(REQUEST) private readonly request: RecordedEvent) {}

      @OnStreamEvent({ streams: 'order-*' }, { ...DURABLE, concurrency: 4 })
      async on(event: RecordedEvent): Promise<void> {
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
        log.push(this.request === event);
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [PerEvent] });

    for (let index = 0; index < 20; index++)
      await app.get(EventStore).append(`order-${index % 5}`, { type: 'changed' });
    await app.get(StreamSubscriptions).whenSettled();

    expect(log).toEqual(Array(20).fill(true));
  });
});

describe('durable providers in the sense of Nest', () => {
  /** One tree of providers for each tenant, which the metadata of an event name. */
  class ByTenant implements ContextIdStrategy {
    readonly #trees = new Map<string, ContextId>();

    attach(contextId: ContextId, event: RecordedEvent) {
      const tenant = event.metadata.tenant as string;
      if (!this.#trees.has(tenant)) this.#trees.set(tenant, ContextIdFactory.create());
      const tree = this.#trees.get(tenant)!;
      return {
        resolve: ({ isTreeDurable }: HostComponentInfo) => (isTreeDurable ? tree : contextId),
        payload: { tenant },
      };
    }
  }

  afterEach(() => {
    ContextIdFactory.apply(undefined as never);
  });

  it('are made once for each tenant, as the strategy decides by the event', async () => {
    ContextIdFactory.apply(new ByTenant());

    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Database {
      readonly number = log.push('connected');
    }

    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Handler {
      readonly seen: unknown[] = [];
      constructor(private readonly database: Database) {}

      @OnStreamEvent('orders', DURABLE)
      on({ data }: RecordedEvent): void {
        this.seen.push(data);
        log.push([this.database.number, [...this.seen]]);
      }
    }

    const events = ['a', 'b', 'a', 'a', 'b'].map((tenant, index) => ({ type: 't', data: index, metadata: { tenant } }));
    await deal(events, Handler, Database);

    expect(log).toEqual(['connected', [1, [0]], 'connected', [3, [1]], [1, [0, 2]], [1, [0, 2, 3]], [3, [1, 4]]]);
  });

  it('beside a handler that is request-scoped, and made for each event', async () => {
    ContextIdFactory.apply(new ByTenant());

    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Database {
      readonly number = log.push('connected');
    }

    @Injectable({ scope: Scope.REQUEST })
    class Handler {
      constructor(
        private readonly database: Database,
        @Inject(REQUEST) private readonly event: RecordedEvent,
      ) {
        log.push('made');
      }

      @OnStreamEvent('orders', DURABLE)
      on(event: RecordedEvent): void {
        log.push([this.database.number, this.event.position === event.position]);
      }
    }

    const events = ['a', 'a'].map((tenant) => ({ type: 't', metadata: { tenant } }));
    await deal(events, Handler, Database);

    expect(log).toEqual(['connected', 'made', [1, true], 'made', [1, true]]);
  });

  it('get the payload of the strategy as REQUEST', async () => {
    ContextIdFactory.apply(new ByTenant());

    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Handler {
      constructor(@Inject(REQUEST) private readonly request: unknown) {}

      @OnStreamEvent('orders', DURABLE)
      on(): void {
        log.push(this.request);
      }
    }

    const events = ['a', 'b', 'a'].map((tenant) => ({ type: 't', metadata: { tenant } }));
    await deal(events, Handler);

    expect(log).toEqual([{ tenant: 'a' }, { tenant: 'b' }, { tenant: 'a' }]);
  });
});
