import { describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Module, Scope } from '@nestjs/common';
import { EventStoreModule, OnStreamEvent, type OnStreamEventOptions, ValidationError } from 'nestjs-stream-store';
import { startApp, startFailure } from '../support/servers/nest-app.js';

/** A provider with a durable handler of those options. */
function billing(options: unknown) {
  @Injectable()
  class Billing {
    @OnStreamEvent('orders', { durable: 'billing', ...(options as OnStreamEventOptions) })
    bill(): void {}
  }
  return Billing;
}

describe('an application does not start with a durable handler', () => {
  it.each<[string, object, RegExp]>([
    ['with an option that nobody knows', { checkpointEach: 5 }, /checkpointEach/],
    ['with a way to retry that nobody knows', { retry: { tries: 5 } }, /retry\.tries/],
    ['on a store that there is not', { store: 'audit' }, /"audit"/],
    ['of no stream at a time', { concurrency: 0 }, /concurrency/],
    ['of half a stream at a time', { concurrency: 0.5 }, /concurrency/],
    ['with a negative delay', { retry: { initialDelayMs: -1 } }, /retry\.initialDelayMs/],
    ['with no attempt', { retry: { attempts: 0 } }, /retry\.attempts/],
    ['with a time limit in words', { timeoutMs: '30s' }, /timeoutMs/],
    ['with a checkpoint after no event', { checkpointEvery: 0 }, /checkpointEvery/],
    ['with a negative interval', { checkpointIntervalMs: -1 }, /checkpointIntervalMs/],
    ['with a policy that there is not', { onFailure: 'ignore' }, /onFailure/],
    ['with an empty name', { durable: '' }, /durable/],
    ['with a name that is too long', { durable: 'd'.repeat(401) }, /durable/],
    ['from a start that is none', { from: 'now' }, /from/],
    [
      'with a policy that needs a name, and without a name',
      { durable: undefined, onFailure: 'dead-letter' },
      /onFailure/,
    ],
    ['with a checkpoint, and without a name', { durable: undefined, checkpointEvery: 5 }, /checkpointEvery/],
    ['with a lease that is over at once', { leaseDurationMs: 1 }, /leaseDurationMs/],
    ['with half a partition', { partitions: 0.5 }, /partitions/],
    ['with a transaction that is no choice', { transaction: 1 }, /transaction: 1 is neither/],
    [
      'with transactions on an engine that has none',
      { transaction: true },
      /transaction: the engine of store "memory-store", memory, has no transactions.*postgresEngine/,
    ],
    ['with partitions of one stream', { partitions: 4 }, /partitions: one stream is not spread/],
  ])('%s; the message says where and what', async (_what, options, reason) => {
    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [billing(options)] });

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toContain('Billing.bill');
    expect(failure.message).toMatch(reason);
  });

  it('of a name that could be a partition of another one', async () => {
    @Injectable()
    class Mailer {
      @OnStreamEvent({ all: true }, { durable: 'mail', partitions: 2 })
      @OnStreamEvent({ all: true }, { durable: 'mail/0' })
      mail(): void {}
    }

    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [Mailer] });

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toMatch(/Mailer\.mail.*"mail\/0" could be a partition of "mail"/);
  });

  it('of a name that another handler has; the message says which', async () => {
    @Injectable()
    class Mailer {
      @OnStreamEvent({ all: true }, { durable: 'billing' })
      mail(): void {}
    }

    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [billing({}), Mailer] });

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toContain('Mailer.mail');
    expect(failure.message).toContain('"billing"');
    expect(failure.message).toContain('durable');
  });

  it('of a name that another handler has on another store', async () => {
    const failure = await startFailure({
      imports: [EventStoreModule.forRoot(), EventStoreModule.forRoot({ name: 'audit' })],
      providers: [billing({}), { provide: 'OTHER', useClass: billing({ store: 'audit' }) }],
    });

    expect(failure.message).toContain('"billing"');
  });

  it('of one name twice on a method', async () => {
    @Injectable()
    class Mailer {
      @OnStreamEvent('orders', { durable: 'mails' })
      @OnStreamEvent('users', { durable: 'mails' })
      mail(): void {}
    }

    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [Mailer] });

    expect(failure.message).toContain('Mailer.mail');
    expect(failure.message).toContain('"mails"');
  });

  it('that two classes inherit', async () => {
    class Base {
      @OnStreamEvent('orders', { durable: 'base' })
      on(): void {}
    }

    @Injectable()
    class One extends Base {}

    @Injectable()
    class Two extends Base {}

    const failure = await startFailure({ imports: [EventStoreModule.forRoot()], providers: [One, Two] });

    expect(failure.message).toContain('Two.on');
  });

  it('of a class that two modules provide', async () => {
    const Billing = billing({});

    @Module({ providers: [Billing] })
    class One {}

    @Module({ providers: [Billing] })
    class Two {}

    const failure = await startFailure({ imports: [EventStoreModule.forRoot(), One, Two] });

    expect(failure.message).toContain('Billing.bill');
  });

  it('on a controller, or on a class that is made for each request, with the same message', async () => {
    @Controller()
    class BillingController {
      @OnStreamEvent('orders', { durable: 'billing', concurrency: -1 })
      bill(): void {}
    }

    @Injectable({ scope: Scope.REQUEST })
    class PerEvent {
      @OnStreamEvent('orders', { durable: 'billing', concurrency: -1 })
      bill(): void {}
    }

    const failures = [
      await startFailure({ imports: [EventStoreModule.forRoot()], controllers: [BillingController] }),
      await startFailure({ imports: [EventStoreModule.forRoot()], providers: [PerEvent] }),
    ];

    expect(failures[0].message).toContain('BillingController.bill');
    expect(failures[1].message).toContain('PerEvent.bill');
    for (const { message } of failures) expect(message).toContain('concurrency');
  });
});

it('a live handler may be called like a durable one', async () => {
  @Injectable()
  class Billing {
    @OnStreamEvent('orders', { durable: 'Billing.other' })
    bill(): void {}

    @OnStreamEvent('orders')
    other(): void {}
  }

  await startApp({ imports: [EventStoreModule.forRoot()], providers: [Billing] });
});
