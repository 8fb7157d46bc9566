import { describe, expect, it } from '@jest/globals';
import { type DynamicModule, Injectable, type Provider, Scope, UseGuards } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { EventStore, EventStoreModule, OnStreamEvent, StreamSubscriptions } from 'nestjs-stream-store';
import { startApp, startFailure } from '../support/servers/nest-app.js';

class Handler {
  static calls = 0;

  @OnStreamEvent('orders')
  on(): void {
    Handler.calls++;
  }
}

async function deal(...providers: Provider[]): Promise<{ handlers: number; calls: number }> {
  Handler.calls = 0;
  const app = await startApp({ imports: [EventStoreModule.forRoot()], providers });
  await app.get(EventStore).append('orders', { type: 'placed' });
  await app.get(StreamSubscriptions).whenSettled();
  return { handlers: (await app.get(StreamSubscriptions).list()).length, calls: Handler.calls };
}

describe('a handler is found and called once', () => {
  it.each<[string, Provider]>([
    ['its class is provided', Handler],
    ['it is a value', { provide: 'handler', useValue: new Handler() }],
    ['a factory makes it', { provide: 'handler', useFactory: () => new Handler() }],
    ['a factory makes it later', { provide: Handler, useFactory: async () => new Handler() }],
    ['a request-scoped factory makes it', { provide: Handler, useFactory: () => new Handler(), scope: Scope.REQUEST }],
    ['a transient factory makes it', { provide: Handler, useFactory: () => new Handler(), scope: Scope.TRANSIENT }],
    ['a factory makes it of the request', { provide: Handler, useFactory: () => new Handler(), inject: [REQUEST] }],
    ['its class is request-scoped under another token', { provide: 'x', useClass: Handler, scope: Scope.REQUEST }],
    ['its class is transient', { provide: Handler, useClass: Handler, scope: Scope.TRANSIENT }],
  ])('when %s', async (_how, provider) => {
    expect(await deal(provider)).toEqual({ handlers: 1, calls: 1 });
  });

  it('when the decorator is that of another copy of the package', async () => {
    class Other {
      on(): void {
        Handler.calls++;
      }
    }
    // What the decorator of any copy leaves behind.
    const marks = [{ target: 'orders', options: {} }];
    // eslint-disable-next-line @typescript-eslint/unbound-method -- marked, not called
    Reflect.defineMetadata(Symbol.for('nestjs-stream-store:on-stream-event'), marks, Other.prototype.on);

    expect(await deal({ provide: Other, useValue: new Other() })).toEqual({ handlers: 1, calls: 1 });
  });
});

it('what is no handler is not touched, neither its getters nor what is not there yet', async () => {
  const touched: string[] = [];
  class Lazy {
    get database(): unknown {
      touched.push('getter');
      throw new Error('not connected');
    }
  }
  /** What was asked of a provider that is not there yet, while an application started. */
  const askedBy = async (...imports: DynamicModule[]): Promise<Set<PropertyKey>> => {
    const asked = new Set<PropertyKey>();
    const lazy = new Proxy({}, { get: (_target, member) => void asked.add(member) });
    await startApp({
      imports,
      providers: [
        { provide: 'lazy', useValue: new Lazy() },
        { provide: 'proxy', useValue: lazy },
      ],
    });
    return asked;
  };

  expect(await askedBy(EventStoreModule.forRoot())).toEqual(await askedBy());
  expect(touched).toEqual([]);
});

describe('what could not be called is refused by its name', () => {
  it('a method that a member of the instance hides', async () => {
    const hidden = Object.assign(new Handler(), { on: 'something else' });

    const failure = await startFailure({
      imports: [EventStoreModule.forRoot()],
      providers: [{ provide: 'hidden', useValue: hidden }],
    });

    expect(failure.message).toContain(
      'Invalid @OnStreamEvent on Handler.on: its instance has something else under "on"',
    );
  });

  it.each([Scope.DEFAULT, Scope.REQUEST])('a method of a guard that is no provider (scope %s)', async (scope) => {
    @Injectable({ scope })
    class Guard {
      canActivate(): boolean {
        return true;
      }

      @OnStreamEvent('orders')
      on(): void {}
    }
    @Injectable()
    class Guarded {
      @UseGuards(Guard)
      @OnStreamEvent('orders')
      on(): void {}
    }
    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [Guarded] });

    expect(failure.message).toContain('@OnStreamEvent on Guard.on: its class is only used as a guard');
  });

  it('a text with a star, with the form that was meant', async () => {
    class Starred {
      @OnStreamEvent('order-*')
      on(): void {}
    }
    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [Starred] });

    expect(failure.message).toContain('@OnStreamEvent on Starred.on');
    expect(failure.message).toContain("{ streams: 'order-*' }");
  });
});

it('a stream with a star in its name can be named as one', async () => {
  let calls = 0;
  class Starred {
    @OnStreamEvent({ stream: 'order-*' })
    on(): void {
      calls++;
    }
  }
  const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Starred] });
  await app.get(EventStore).append('order-*', { type: 'placed' });
  await app.get(EventStore).append('order-1', { type: 'placed' });
  await app.get(StreamSubscriptions).whenSettled();

  expect(calls).toBe(1);
});
