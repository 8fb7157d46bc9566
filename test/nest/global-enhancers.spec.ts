import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExceptionFilter,
  Inject,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
  Scope,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, REQUEST } from '@nestjs/core';
import {
  DeadLetters,
  EventData,
  EventStore,
  EventStoreModule,
  OnStreamEvent,
  type OnStreamEventOptions,
  type RecordedEvent,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import type { Observable } from 'rxjs';
import { numbered } from '../support/events.js';
import { startApp, startFailure } from '../support/servers/nest-app.js';

const log: string[] = [];
let made = 0;

afterEach(() => {
  log.length = 0;
  made = 0;
});

/** A guard, an interceptor, a pipe and a filter for the whole application, of a scope. */
function enhancersOf(scope: Scope): Provider[] {
  @Injectable({ scope })
  class Guard implements CanActivate {
    readonly number = ++made;
    canActivate(): boolean {
      log.push(`guard ${this.number}`);
      return true;
    }
  }
  @Injectable({ scope })
  class Around implements NestInterceptor {
    readonly name = 'interceptor';
    intercept(_context: unknown, next: CallHandler): Observable<unknown> {
      log.push(this.name);
      return next.handle();
    }
  }
  @Injectable({ scope })
  class Pipe implements PipeTransform {
    readonly name = 'pipe';
    transform(value: unknown): unknown {
      log.push(this.name);
      return value;
    }
  }
  @Catch()
  @Injectable({ scope })
  class Filter implements ExceptionFilter {
    readonly name = 'filter';
    async catch(): Promise<void> {
      log.push(this.name);
    }
  }
  return [
    { provide: APP_GUARD, useClass: Guard, scope },
    { provide: APP_INTERCEPTOR, useClass: Around, scope },
    { provide: APP_PIPE, useClass: Pipe, scope },
    { provide: APP_FILTER, useClass: Filter, scope },
  ];
}

function handlerOf(scope: Scope, options: OnStreamEventOptions = {}): Type {
  @Injectable({ scope })
  class Handler {
    @OnStreamEvent('orders', options)
    on(@EventData() data: unknown): void {
      log.push(`handler ${String(data)}`);
      if (data === 2) throw new Error('broken');
    }
  }
  return Handler;
}

async function deal(options: { globalEnhancers?: boolean }, providers: Provider[]): Promise<void> {
  const app = await startApp({ imports: [EventStoreModule.forRoot(options)], providers });
  await app.get(EventStore).append('orders', numbered(1, 2));
  await app.get(StreamSubscriptions).whenSettled();
}

const BARE = ['handler 1', 'handler 2'];
const SCOPES: [string, Scope][] = [
  ['singletons', Scope.DEFAULT],
  ['request-scoped', Scope.REQUEST],
  ['transient', Scope.TRANSIENT],
];

describe.each(SCOPES)('enhancers of the whole application that are %s', (what, scope) => {
  it('leave handlers alone', async () => {
    await deal({}, [handlerOf(Scope.DEFAULT), ...enhancersOf(scope)]);

    expect(log).toEqual(BARE);
  });

  it.each(SCOPES)('stand before handlers that are %s, with globalEnhancers', async (_what, handlerScope) => {
    await deal({ globalEnhancers: true }, [handlerOf(handlerScope), ...enhancersOf(scope)]);

    const guards = log.filter((entry) => entry.startsWith('guard'));
    expect(log.filter((entry) => !entry.startsWith('guard'))).toEqual([
      ...['interceptor', 'pipe', 'handler 1'],
      ...['interceptor', 'pipe', 'handler 2', 'filter'],
    ]);
    expect([log.indexOf(guards[0]), guards.length, new Set(guards).size]).toEqual([
      0,
      2,
      what === 'request-scoped' ? 2 : 1,
    ]);
  });

  it('stand before the one handler that asks for them, and not before one that refuses', async () => {
    await deal({}, [handlerOf(Scope.DEFAULT, { globalEnhancers: true }), ...enhancersOf(scope)]);
    const asked = log.splice(0).length;
    await deal({ globalEnhancers: true }, [
      handlerOf(Scope.DEFAULT, { globalEnhancers: false }),
      ...enhancersOf(scope),
    ]);

    expect([asked, log]).toEqual([9, BARE]);
  });
});

it.each(SCOPES)(
  'a filter of the application that is made for HTTP, and fails on an event, does not hide why the handler failed: %s',
  async (_what, scope) => {
    @Catch()
    @Injectable({ scope })
    class HttpErrors implements ExceptionFilter {
      catch(_error: unknown, host: ArgumentsHost): void {
        host.switchToHttp().getResponse<{ status(code: number): void }>().status(500);
      }
    }
    const app = await startApp({
      imports: [EventStoreModule.forRoot({ globalEnhancers: true })],
      providers: [
        handlerOf(Scope.DEFAULT, { durable: 'handler', retry: { attempts: 1 } }),
        { provide: APP_FILTER, useClass: HttpErrors, scope },
      ],
    });
    await app.get(EventStore).append('orders', numbered(2, 2));
    await app.get(StreamSubscriptions).whenSettled();

    const [{ error }] = await app.get(DeadLetters).list();
    expect(error.message).toMatch(/^broken \(its exception filter failed: TypeError: .*status is not a function\)$/);
  },
);

it('a request-scoped guard of the application that lets nobody in lets no event in, and gets the event as REQUEST', async () => {
  const requests: unknown[] = [];
  @Injectable({ scope: Scope.REQUEST })
  class Nobody implements CanActivate {
    constructor(@Inject(REQUEST) private readonly event: RecordedEvent) {}

    canActivate(): boolean {
      requests.push(this.event.data);
      return false;
    }
  }
  const app = await startApp({
    imports: [EventStoreModule.forRoot({ globalEnhancers: true })],
    providers: [
      handlerOf(Scope.DEFAULT, { durable: 'handler', retry: { attempts: 1 } }),
      { provide: APP_GUARD, useClass: Nobody, scope: Scope.REQUEST },
    ],
  });
  await app.get(EventStore).append('orders', numbered(1, 2));
  await app.get(StreamSubscriptions).whenSettled();

  expect([log, requests, await app.get(DeadLetters).count()]).toEqual([[], [1, 2], 2]);
});

it.each(SCOPES)(
  'a guard of the class or the method stands before its handlers, also one that is %s',
  async (_what, scope) => {
    @Injectable({ scope })
    class Guard implements CanActivate {
      readonly isMade = true;
      canActivate(): boolean {
        log.push(`guard ${this.isMade}`);
        return true;
      }
    }
    @Injectable()
    @UseGuards(Guard)
    class Handler {
      @UseGuards(Guard)
      @OnStreamEvent('orders')
      on({ data }: RecordedEvent<number>): void {
        log.push(`handler ${String(data)}`);
      }
    }
    await deal({}, [Handler]);

    expect(log).toEqual(['guard true', 'guard true', 'handler 1', 'guard true', 'guard true', 'handler 2']);
  },
);

it('globalEnhancers is a boolean', async () => {
  const providers = [handlerOf(Scope.DEFAULT, { globalEnhancers: 'yes' as never })];

  const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers });

  expect(failure.message).toContain("Invalid @OnStreamEvent on Handler.on: Invalid globalEnhancers: 'yes'");
});
