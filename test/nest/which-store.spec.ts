import { describe, expect, it } from '@jest/globals';
import {
  type DynamicModule,
  type INestApplicationContext,
  Injectable,
  Module,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import {
  type Clock,
  EventStore,
  EventStoreModule,
  getEventStoreClockToken,
  getEventStoreToken,
  InjectEventStore,
  InjectEventStoreClock,
  OnStreamEvent,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { ManualClock } from 'nestjs-stream-store/testing';
import { settled } from '../support/waiting/manual-clock.js';
import { engineOn, newFile } from '../sqlite/sqlite-files.js';
import { startApp, startFailure } from '../support/servers/nest-app.js';

@Injectable()
class Reader {
  constructor(
    readonly byClass: EventStore,
    @InjectEventStore() readonly unnamed: EventStore,
  ) {}
}

const unnamed = (): DynamicModule => EventStoreModule.forRoot();
const named = (name: string): DynamicModule => EventStoreModule.forRoot({ name });
/** A store whose options come late, so that it is made after the others. */
const late = (name?: string): DynamicModule =>
  EventStoreModule.forRootAsync({ name, useFactory: () => settled().then(() => ({})) });
const local = (name: string): DynamicModule => EventStoreModule.forRoot({ name, isGlobal: false });

function moduleOf(...imports: (DynamicModule | Type)[]): Type {
  @Module({ imports, providers: [Reader], exports: [Reader] })
  class Feature {}
  return Feature;
}

function readerIn(app: INestApplicationContext, module: Type): Reader {
  return app.select(module).get(Reader, { strict: true });
}

describe('the class EventStore means', () => {
  it.each<[string, DynamicModule[], string]>([
    ['the only store', [unnamed()], 'memory-store'],
    ['the only store, also with a name of its own', [named('audit')], 'audit'],
    ['the only store, also with late options', [late('audit')], 'audit'],
    ['the store without a name, imported first', [unnamed(), named('audit')], 'memory-store'],
    ['the store without a name, imported last', [named('audit'), named('orders'), unnamed()], 'memory-store'],
    ['the store without a name, with late options', [named('audit'), late()], 'memory-store'],
    ['the store without a name, before one with late options', [late('audit'), unnamed()], 'memory-store'],
    ['the first of several with names', [named('orders'), named('audit')], 'orders'],
    ['the first of several with names, although it is made last', [late('orders'), named('audit')], 'orders'],
  ])('%s', async (_what, imports, expected) => {
    const app = await startApp({ imports, providers: [Reader] });
    const { byClass, unnamed } = app.get(Reader);

    expect(byClass.name).toBe(expected);
    expect(unnamed).toBe(byClass);
    expect(byClass).toBe(app.get(getEventStoreToken(expected)));
    expect(app.get(EventStore, { strict: false })).toBe(byClass);
  });

  it('the same store in every module, wherever the stores are imported', async () => {
    const [one, two] = [moduleOf(named('audit')), moduleOf(moduleOf(unnamed()))];
    const app = await startApp({ imports: [one, two], providers: [Reader] });

    const stores = [app.get(Reader), readerIn(app, one), readerIn(app, two)];

    expect(stores.map(({ byClass }) => byClass.name)).toEqual(Array(3).fill('memory-store'));
  });

  it('the own store inside a module that imports one with isGlobal: false', async () => {
    const [sales, shipping, other] = [moduleOf(local('sales')), moduleOf(local('shipping')), moduleOf()];
    const app = await startApp({ imports: [unnamed(), sales, shipping, other], providers: [Reader] });

    expect(readerIn(app, sales).byClass.name).toBe('sales');
    expect(readerIn(app, shipping).byClass.name).toBe('shipping');
    expect(readerIn(app, other).byClass.name).toBe('memory-store');
    expect(app.get(Reader).byClass.name).toBe('memory-store');
  });

  it('the own store, also when no store is global', async () => {
    const [sales, shipping] = [moduleOf(local('sales')), moduleOf(local('shipping'))];
    const app = await startApp({ imports: [sales, shipping] });

    expect(readerIn(app, sales).byClass.name).toBe('sales');
    expect(readerIn(app, shipping).byClass.name).toBe('shipping');
  });

  it('a global store elsewhere, although one that is not global was imported first', async () => {
    const [sales, other] = [moduleOf(local('sales')), moduleOf()];
    const app = await startApp({ imports: [sales, named('audit'), other] });

    expect(readerIn(app, other).byClass.name).toBe('audit');
  });
});

describe('a handler reads the store that is injected in its module', () => {
  const handlerIn = (): Type<{ readonly store: EventStore }> => {
    @Injectable()
    class Handler {
      constructor(readonly store: EventStore) {}

      @OnStreamEvent({ all: true })
      on(): void {}
    }
    return Handler;
  };
  const featureOf = (metadata: ModuleMetadata): Type => {
    @Module(metadata)
    class Feature {}
    return Feature;
  };
  const reads = async (app: INestApplicationContext) => (await app.get(StreamSubscriptions).list())[0].store;

  it.each<[string, (imports: (DynamicModule | Type)[]) => (DynamicModule | Type)[]]>([
    ['as they stand', (imports) => imports],
    ['in turn', (imports) => [...imports].reverse()],
  ])('with a local store of another module, and one that is handed on; imports %s', async (_order, sorted) => {
    const Handler = handlerIn();
    const feature = featureOf({ imports: [local('local')] });
    const root = await startApp({ imports: sorted([unnamed(), feature]), providers: [Handler] });

    expect([root.get(Handler).store.name, await reads(root)]).toEqual(['memory-store', 'memory-store']);

    const Part = handlerIn();
    const handsOn = featureOf({ imports: [featureOf({ imports: [local('deep')], exports: [EventStoreModule] })] });
    const outer = featureOf({ imports: [local('handed')], exports: [EventStoreModule] });
    const part = featureOf({ imports: sorted([outer, handsOn]), providers: [Part] });
    const app = await startApp({ imports: sorted([unnamed(), part]) });

    expect([app.get(Part, { strict: false }).store.name, await reads(app)]).toEqual(['handed', 'handed']);
  });

  it('or is refused, with the names, when that could be one of two', async () => {
    const feature = featureOf({ imports: [local('sales'), local('shipping')], providers: [handlerIn()] });

    const failure = await startFailure({ imports: [unnamed(), feature] });

    expect(failure.message).toContain('@OnStreamEvent on Handler.on');
    expect(failure.message).toContain('its module imports "sales" and "shipping": say which');
  });

  it('or is refused when none can be injected and there are several', async () => {
    const [one, two] = [featureOf({ imports: [local('sales')] }), featureOf({ imports: [local('shipping')] })];
    @Injectable()
    class Handler {
      @OnStreamEvent({ all: true })
      on(): void {}
    }

    const failure = await startFailure({ imports: [one, two], providers: [Handler] });

    expect(failure.message).toContain('no store is global, and there are "sales" and "shipping"');
  });
});

describe('a store without a name', () => {
  const sqlite = () => engineOn(newFile());

  it.each<[string, DynamicModule]>([
    ['forRoot', EventStoreModule.forRoot({ engine: sqlite() })],
    ['forRootAsync', EventStoreModule.forRootAsync({ useFactory: () => ({ engine: sqlite() }) })],
  ])('is called after its engine, and injected by that: %s', async (_how, imported) => {
    const app = await startApp({ imports: [imported, named('audit')], providers: [Reader] });

    expect(app.get(Reader).byClass.name).toBe('sqlite-store');
    expect(app.get(getEventStoreToken('sqlite-store'))).toBe(app.get(EventStore));
  });

  it('is the only one: two of them are refused, whatever their engines', async () => {
    const failure = await startFailure({ imports: [unnamed(), EventStoreModule.forRoot({ engine: sqlite() })] });

    expect(failure.message).toMatch(/two event stores have no name of their own, "[a-z]+-store" is one/);
  });
});

it('the clock of a store is injected by a token', async () => {
  const [clock, other] = [new ManualClock(), new ManualClock()];
  @Injectable()
  class Timed {
    constructor(
      @InjectEventStoreClock() readonly clock: Clock,
      @InjectEventStoreClock('audit') readonly audit: Clock,
    ) {}
  }
  const app = await startApp({
    imports: [EventStoreModule.forRoot({ clock }), EventStoreModule.forRoot({ name: 'audit', clock: other })],
    providers: [Timed],
  });

  expect(app.get(Timed).clock).toBe(clock);
  expect(app.get(Timed).audit).toBe(other);
  expect(app.get(getEventStoreClockToken())).toBe(clock);
});

it('named stores are told apart and share no events', async () => {
  @Injectable()
  class Both {
    constructor(
      @InjectEventStore('orders') readonly orders: EventStore,
      @InjectEventStore('audit') readonly audit: EventStore,
    ) {}
  }
  const app = await startApp({ imports: [named('orders'), named('audit')], providers: [Both] });
  const { orders, audit } = app.get(Both);

  await orders.append('a', { type: 'x' });

  expect([orders.name, audit.name]).toEqual(['orders', 'audit']);
  expect((await orders.stats()).totalEvents).toBe(1);
  expect((await audit.stats()).totalEvents).toBe(0);
});

it('a store can be named like a member of every object', async () => {
  const app = await startApp({ imports: [named('__proto__'), named('constructor')] });

  expect(app.get<EventStore>(getEventStoreToken('__proto__')).name).toBe('__proto__');
  expect(app.get<EventStore>(getEventStoreToken('constructor')).name).toBe('constructor');
});
