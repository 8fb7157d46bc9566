import { describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Scope } from '@nestjs/common';
import {
  Cursor,
  EventStore,
  EventStoreModule,
  OnStreamEvent,
  type OnStreamEventOptions,
  type SubscriptionTarget,
  ValidationError,
} from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';
import { startFailure } from '../support/servers/nest-app.js';

/** A provider with a handler of that target and those options. */
function wronglyUsed(target: unknown, options?: unknown) {
  @Injectable()
  class Mailer {
    @OnStreamEvent(target as SubscriptionTarget, options as OnStreamEventOptions)
    onOrder(): void {}
  }
  return Mailer;
}

describe('@OnStreamEvent on what Nest would never call is refused at once: ', () => {
  const symbol = Symbol('onOrder');

  it.each<[string, () => unknown]>([
    [
      'a static method',
      () => {
        class Mailer {
          @OnStreamEvent('orders')
          static onOrder(): void {}
        }
        return Mailer;
      },
    ],
    [
      'a method named by a symbol',
      () => {
        class Mailer {
          @OnStreamEvent('orders')
          [symbol](): void {}
        }
        return Mailer;
      },
    ],
    [
      'an accessor',
      () => {
        class Mailer {
          @OnStreamEvent('orders')
          get onOrder(): unknown {
            return undefined;
          }
        }
        return Mailer;
      },
    ],
    [
      'a property',
      () => {
        class Mailer {
          // What the compiler refuses: a property has no descriptor.
          @(OnStreamEvent('orders') as PropertyDecorator)
          onOrder = (): void => undefined;
        }
        return Mailer;
      },
    ],
  ])('%s', (kind, declare) => {
    expect(declare).toThrow(ValidationError);
    expect(declare).toThrow(new RegExp(`@OnStreamEvent on Mailer\\..*: it is ${kind}`));
  });

  it('what a compiler without experimentalDecorators makes of it', () => {
    const decorate = OnStreamEvent('orders') as unknown as (method: unknown, context: object) => void;

    expect(() => decorate(() => undefined, { kind: 'method', name: 'onOrder' })).toThrow(
      '@OnStreamEvent on onOrder: it is compiled without experimentalDecorators, which Nest needs: put it on an ordinary method.',
    );
  });
});

describe('an application with a handler that is used wrongly does not start, and is told where and what: ', () => {
  it.each<[string, unknown, unknown, RegExp]>([
    ['a store that there is not', 'orders', { store: 'audit' }, /"audit"/],
    ['a store without a name', 'orders', { store: '' }, /""/],
    ['an option that nobody knows', 'orders', { retries: 3 }, /retries/],
    ['options that are none', 'orders', 'START', /options/],
    ['options that are null', 'orders', null, /options/],
    ['an empty stream id', '', {}, /target/],
    ['no target', undefined, {}, /target/],
    ['a target that is null', null, {}, /target/],
    ['a target of two choices', { stream: 'orders', all: true }, {}, /target/],
    ['a target with a slip of the pen', { streams: 'order-*', type: ['paid'] }, {}, /target\.type\b/],
    ['a target with an empty list of types', { all: true, types: [] }, {}, /target\.types/],
    ['a start that is none', 'orders', { from: 'now' }, /from/],
    ['a negative start', 'orders', { from: -1 }, /from/],
    ['a cursor of another stream', 'orders', { from: new Cursor('others', 1) }, /"others"/],
    ['a cursor for a pattern', { streams: 'order-*' }, { from: new Cursor('order-1', 1) }, /cursor/],
  ])('%s', async (_what, target, options, reason) => {
    const failure = await startFailure({
      imports: [EventStoreModule.forRoot()],
      providers: [wronglyUsed(target, options)],
    });

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toContain('Mailer.onOrder');
    expect(failure.message).toMatch(reason);
  });

  it('on a controller', async () => {
    @Controller()
    class OrdersController {
      @OnStreamEvent('orders', { store: 'audit' })
      onOrder(): void {}
    }

    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], controllers: [OrdersController] });

    expect(failure.message).toContain('OrdersController.onOrder');
  });

  it('on a request-scoped class, although it is made only when an event comes', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerEvent {
      @OnStreamEvent('orders', { store: 'audit' })
      onOrder(): void {}
    }

    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [PerEvent] });

    expect(failure.message).toContain('PerEvent.onOrder');
  });

  it('on an inherited method, with the class that inherits it', async () => {
    class Base {
      @OnStreamEvent('orders', { store: 'audit' })
      onOrder(): void {}
    }

    @Injectable()
    class Mailer extends Base {}

    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [Mailer] });

    expect(failure.message).toContain('Mailer.onOrder');
  });

  it('in one of several uses on a method', async () => {
    @Injectable()
    class Mailer {
      @OnStreamEvent('orders')
      @OnStreamEvent({ all: true, types: [''] })
      onOrder(): void {}
    }

    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [Mailer] });

    expect(failure.message).toContain('Mailer.onOrder');
    expect(failure.message).toContain('types[0]');
  });
});

it('an application with a handler that is used wrongly appends nothing and opens no engine', async () => {
  const asked: string[] = [];
  const engine = aroundEngine((verb, ask) => {
    asked.push(verb);
    return ask();
  });

  await startFailure({ imports: [EventStoreModule.forRoot({ engine })], providers: [wronglyUsed('')] });

  expect(asked).toEqual([]);
});

it('a provider that injects a store there is not is told so by Nest', async () => {
  @Injectable()
  class Orders {
    constructor(readonly store: EventStore) {}
  }

  const failure = await startFailure({ providers: [Orders] });

  expect(failure.message).toContain('EventStore');
});
