import { describe, expect, it } from '@jest/globals';
import { Injectable, Module, type ModuleMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule, getEventStoreToken, NO_STREAM } from 'nestjs-stream-store';
import {
  Aggregate,
  AggregateRoot,
  Aggregates,
  Apply,
  decider,
  EventSourcingModule,
  getAggregatesToken,
  InjectAggregates,
} from 'nestjs-stream-store/event-sourcing';
import { closedAfterTest, RecordingNestLogger, startApp, startFailure } from '../support/servers/nest-app.js';
import { Account, cart } from './account.js';

@Injectable()
class Bank {
  constructor(
    @InjectAggregates(Account) readonly accounts: Aggregates<Account>,
    @InjectAggregates(cart) readonly carts: Aggregates<typeof cart>,
  ) {}
}

const IMPORTS = [EventStoreModule.forRoot(), EventSourcingModule.forFeature([Account, cart])];

describe('EventSourcingModule.forFeature', () => {
  it('lets repositories of classes and deciders be injected', async () => {
    const app = await startApp({ imports: IMPORTS, providers: [Bank] });
    const { accounts, carts } = app.get(Bank);

    await accounts.create('7', (account) => account.open('Ada'));
    await carts.update('1', (_, record) => void record('cart.item-added', { sku: 'tea', n: 1 }));

    expect(accounts).toBeInstanceOf(Aggregates);
    expect((await app.get(EventStore).getStreams()).map(({ streamId }) => streamId)).toEqual(['account-7', 'cart-1']);
  });

  it('gives one repository to all modules that ask for one', async () => {
    @Module({ imports: [EventSourcingModule.forFeature([Account, cart])], providers: [Bank] })
    class Shop {}
    const app = await startApp({ imports: [...IMPORTS, Shop], providers: [{ provide: 'bank', useClass: Bank }] });

    expect(app.select(Shop).get(Bank).accounts).toBe(app.get<Bank>('bank').accounts);
  });

  it('does not make aggregates providers', async () => {
    const app = await startApp({ imports: IMPORTS });

    expect(() => app.get(Account, { strict: false })).toThrow();
  });

  it('is ready for who uses it while the application starts', async () => {
    @Injectable()
    class Seeds {
      constructor(@InjectAggregates(Account) private readonly accounts: Aggregates<Account>) {}
      async onModuleInit(): Promise<void> {
        await this.accounts.create('7', (account) => account.open('Ada'));
      }
    }
    const app = await startApp({ imports: IMPORTS, providers: [Seeds] });

    expect(await app.get<Aggregates<Account>>(getAggregatesToken(Account)).exists('7')).toBe(true);
  });

  it('works on the store that is named', async () => {
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot(),
        EventStoreModule.forRoot({ name: 'bank' }),
        EventSourcingModule.forFeature([Account], { store: 'bank' }),
      ],
    });
    await app.get<Aggregates<Account>>(getAggregatesToken(Account)).create('7', (account) => account.open('Ada'));

    expect(await app.get<EventStore>(getEventStoreToken('bank')).getStreams()).toHaveLength(1);
    expect(await app.get(EventStore).getStreams()).toHaveLength(0);
  });

  it('takes the default limit of streams from the stores that have aggregates, and from no others', async () => {
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot({ name: 'logs' }),
        EventStoreModule.forRoot({ name: 'bank' }),
        EventSourcingModule.forFeature([Account], { store: 'bank' }),
      ],
    });
    const limitOf = (name: string) => app.get<EventStore>(getEventStoreToken(name)).limits.maxStreams;

    expect([limitOf('bank'), limitOf('logs')]).toEqual([Infinity, 10_000]);
  });

  it('lets more than 10 000 aggregates be created in memory', async () => {
    const app = await startApp({ imports: IMPORTS });
    const store = app.get(EventStore);
    for (let n = 0; n < 10_000; n++) {
      await store.append(
        `account-${n}`,
        { type: 'account.opened', data: { owner: 'x' } },
        { expectedRevision: NO_STREAM },
      );
    }

    await app.get<Aggregates<Account>>(getAggregatesToken(Account)).create('last', (account) => account.open('Ada'));

    expect((await store.stats()).totalStreams).toBe(10_001);
  });

  it('leaves a limit of streams that was given', async () => {
    const app = await startApp({
      imports: [EventStoreModule.forRoot({ maxStreams: 3 }), EventSourcingModule.forFeature([Account])],
    });

    expect(app.get(EventStore).limits.maxStreams).toBe(3);
  });

  it('takes a store that removes events only when told', async () => {
    const expiring = EventStoreModule.forRoot({ retentionDuration: '7d' });

    expect(await startFailure({ imports: [expiring, EventSourcingModule.forFeature([Account])] })).toMatchObject({
      code: 'VALIDATION_FAILED',
      message: expect.stringContaining('retentionDuration'),
    });
    await startApp({ imports: [expiring, EventSourcingModule.forFeature([Account], { allowRetention: true })] });
  });

  it('lets a test put something else in the place of a repository, or of the store', async () => {
    const fake = { get: () => 'fake' };
    const testing = Test.createTestingModule({ imports: IMPORTS, providers: [Bank] }).setLogger(
      new RecordingNestLogger(),
    );
    const app = closedAfterTest(await testing.overrideProvider(getAggregatesToken(Account)).useValue(fake).compile());
    await app.init();
    const logger = new RecordingNestLogger();
    const other = Test.createTestingModule({ imports: IMPORTS, providers: [Bank] }).setLogger(logger);
    const without = closedAfterTest(await other.overrideProvider(EventStore).useValue({}).compile());
    await without.init();

    expect(app.get(Bank).accounts).toBe(fake);
    expect(logger.warnings).toContainEqual(expect.stringContaining('"Account" has no repository'));
    await expect(without.get(Bank).accounts.get('7')).rejects.toThrow(/override the repository, too/);
  });
});

describe('what forFeature refuses', () => {
  @Aggregate('account')
  class Konto extends AggregateRoot<object> {}
  @Aggregate('with-dash')
  class WithDash extends AggregateRoot<object> {}
  @Aggregate('$own')
  class WithDollar extends AggregateRoot<object> {}
  @Aggregate('any*')
  class WithStar extends AggregateRoot<object> {}
  class Unmarked extends AggregateRoot<object> {}
  @Aggregate('rootless')
  class Rootless {}
  @Aggregate('demanding')
  class Demanding extends AggregateRoot<object> {
    constructor(readonly mailer: unknown) {
      super();
    }
  }
  @Aggregate('odd', { snapshot: { every: 0 } })
  class NeverKept extends AggregateRoot<object> {}
  @Aggregate('odd', { snapshots: { every: 1 } } as never)
  class Misspelt extends AggregateRoot<object> {}
  @Aggregate('twice')
  class Twice extends AggregateRoot<{ done: null }> {
    @Apply('done')
    protected first(): void {}
    @Apply('done')
    protected second(): void {}
  }
  @Aggregate('half', { snapshot: { every: 1 } })
  class Half extends AggregateRoot<object> {
    toSnapshot(): unknown {
      return {};
    }
  }
  @Aggregate('dated', { snapshot: { every: 1 } })
  class Dated extends AggregateRoot<object> {
    readonly openedAt = new Date();
  }
  @Aggregate('secret', { snapshot: { every: 1 } })
  class Secret extends AggregateRoot<object> {
    #balance = 0;
    get balance(): number {
      return this.#balance;
    }
  }

  it.each([
    ['two aggregates of one category', [Account, Konto], 'EventSourcingModule.forFeature', '"Account" and "Konto"'],
    ['a category with a dash', [WithDash], '@Aggregate on WithDash.category', '"with-dash"'],
    ['a category of the store', [WithDollar], '@Aggregate on WithDollar.category', '"$own"'],
    ['a category with a star', [WithStar], '@Aggregate on WithStar.category', '"any*"'],
    ['a class without @Aggregate', [Unmarked], 'Unmarked', '@Aggregate'],
    ['a class that is no AggregateRoot', [Rootless], '@Aggregate on Rootless', 'AggregateRoot'],
    ['a class that wants something injected', [Demanding], '@Aggregate on Demanding', 'constructor'],
    ['a snapshot after no events', [NeverKept], '@Aggregate on NeverKept.snapshot.every', '0'],
    ['an option that is misspelt', [Misspelt], '@Aggregate on Misspelt.snapshots', 'no such option'],
    ['two methods for one type', [Twice], '@Apply("done") on Twice.', 'applies this type too'],
    ['toSnapshot without fromSnapshot', [Half], '@Aggregate on Half', 'fromSnapshot'],
    ['a snapshot of a Date', [Dated], 'Dated.openedAt', 'Date'],
    ['a snapshot of a private field', [Secret], 'Secret.#balance', 'private field'],
    ['something else', [{}], 'EventSourcingModule.forFeature[0]', '@Aggregate'],
    ['nothing, as in a circle of imports', [Account, undefined], 'EventSourcingModule.forFeature[1]', 'missing'],
  ])('is %s', async (_, declarations, field, problem) => {
    const imports: ModuleMetadata['imports'] = [
      EventStoreModule.forRoot(),
      EventSourcingModule.forFeature(declarations as never),
    ];

    const error = await startFailure({ imports });

    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', message: expect.stringContaining(problem) });
    expect((error as unknown as { field: string }).field).toContain(field);
  });

  it('is one aggregate in two stores', async () => {
    const failure = startFailure({
      imports: [
        EventStoreModule.forRoot(),
        EventStoreModule.forRoot({ name: 'bank' }),
        EventSourcingModule.forFeature([Account]),
        EventSourcingModule.forFeature([Account], { store: 'bank' }),
      ],
    });

    expect(await failure).toMatchObject({ message: expect.stringContaining('another store') });
  });

  it('is a store that is not there, and an application without one', async () => {
    const missing = [EventStoreModule.forRoot(), EventSourcingModule.forFeature([Account], { store: 'bank' })];

    expect(await startFailure({ imports: missing })).toMatchObject({ field: 'EventSourcingModule.forFeature.store' });
    expect(await startFailure({ imports: [EventSourcingModule.forFeature([Account])] })).toMatchObject({
      message: expect.stringContaining('there is no event store'),
    });
  });

  it('are options that are misspelt or of another kind', async () => {
    const failure = (options: object) =>
      startFailure({ imports: [EventStoreModule.forRoot(), EventSourcingModule.forFeature([Account], options)] });

    expect(await failure({ stores: 'x' })).toMatchObject({ field: 'EventSourcingModule.forFeature.stores' });
    expect(await failure({ allowRetention: 'yes' })).toMatchObject({
      field: 'EventSourcingModule.forFeature.allowRetention',
    });
  });
});

describe('decider', () => {
  const initial = () => 0;

  it.each([
    ['a-b', { initial, evolve: {} }, 'decider("a-b").category'],
    ['a', { initial, evolve: { done: 1 } }, 'decider("a").evolve["done"]'],
    ['a', { initial: 0, evolve: {} }, 'decider("a").initial'],
    ['a', { initial, evolve: undefined }, 'decider("a").evolve'],
    ['a', { initial, evolve: {}, snapshot: { every: 1.5 } }, 'decider("a").snapshot.every'],
    ['a', { initial, evolve: {}, snapshot: { every: 1, version: 0 } }, 'decider("a").snapshot.version'],
    ['a', { initial, evolve: {}, snapshot: { every: 1, toSnapshot: initial } }, 'decider("a").snapshot'],
    ['a', { initial: () => new Map(), evolve: {}, snapshot: { every: 1 } }, 'a'],
    ['a', { initial, evolve: {}, decode: 1 }, 'decider("a").decode'],
  ])('refuses the category %j with %o', (category, options, field) => {
    expect(() => decider(category, options as never)).toThrow(
      expect.objectContaining({ code: 'VALIDATION_FAILED', field }),
    );
  });
});
