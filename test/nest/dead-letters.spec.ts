import { describe, expect, it } from '@jest/globals';
import { Controller, Injectable } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import {
  DeadLetters,
  EventStore,
  EventStoreModule,
  getEventStoreToken,
  HandlerFailedError,
  memoryEngine,
  OnStreamEvent,
  openEventStore,
  type RecordedEvent,
  type StorageEngine,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { DeadLetterStore } from '../../lib/consumer/dead-letters/dead-letter-store.js';
import { aroundEngine } from '../support/engines/around-engine.js';
import { numbered, rejectionOf } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { startApp } from '../support/servers/nest-app.js';

const ONCE = { retry: { attempts: 1 } };

/** Fails on the data it is told to fail on. */
class Failing {
  readonly failing = new Set<unknown>([1, 2]);
  readonly handled: unknown[] = [];

  deal({ data }: RecordedEvent): void {
    if (this.failing.has(data)) throw new Error(`no ${JSON.stringify(data)}`);
    this.handled.push(data);
  }
}

@Injectable()
class Billing extends Failing {
  @OnStreamEvent('orders', { durable: 'billing', ...ONCE })
  on(event: RecordedEvent): void {
    this.deal(event);
  }
}

@Injectable()
class Parking extends Failing {
  @OnStreamEvent({ streams: 'order-*' }, { durable: 'parking', onFailure: 'park-stream', ...ONCE })
  on(event: RecordedEvent): void {
    this.deal(event);
  }
}

@Injectable()
class Auditing extends Failing {
  @OnStreamEvent({ all: true }, { durable: 'auditing', store: 'audit', ...ONCE })
  on(event: RecordedEvent): void {
    this.deal(event);
  }
}

interface Setup {
  readonly app: TestingModule;
  readonly clock: ManualClock;
  readonly store: EventStore;
  readonly audit: EventStore;
  readonly deadLetters: DeadLetters;
}

async function start(engines: StorageEngine[] = [memoryEngine(), memoryEngine()]): Promise<Setup> {
  const clock = new ManualClock();
  const app = await startApp({
    imports: [
      EventStoreModule.forRoot({ clock, engine: engines[0] }),
      EventStoreModule.forRoot({ name: 'audit', clock, engine: engines[1] }),
    ],
    providers: [Billing, Parking, Auditing],
  });
  const audit = app.get<EventStore>(getEventStoreToken('audit'));
  return { app, clock, store: app.get(EventStore), audit, deadLetters: app.get(DeadLetters) };
}

const settledHandlers = (app: TestingModule): Promise<void> => app.get(StreamSubscriptions).whenSettled();

async function idsOf(deadLetters: DeadLetters, subscription?: string): Promise<string[]> {
  return (await deadLetters.list({ subscription })).map(({ id }) => id);
}

describe('the dead letters of an application', () => {
  it('are none at first', async () => {
    const { deadLetters } = await start();

    expect([await deadLetters.list(), await deadLetters.count()]).toEqual([[], 0]);
  });

  it('are those of all its stores, the oldest first', async () => {
    const { app, clock, store, audit, deadLetters } = await start();
    await store.append('orders', numbered(1, 1));
    await settledHandlers(app);
    clock.jump(1);
    await audit.append('logins', numbered(1, 1));
    await settledHandlers(app);
    clock.jump(1);
    await store.append('orders', numbered(2, 3));
    await settledHandlers(app);

    const letters = await deadLetters.list();

    expect(letters.map(({ subscription, event }) => [subscription, event.streamId, event.data])).toEqual([
      ['billing', 'orders', 1],
      ['auditing', 'logins', 1],
      ['billing', 'orders', 2],
    ]);
    expect(letters[0]).toMatchObject({ attempts: 1, error: { message: 'no 1' }, isParked: false });
    expect(letters[0].failedAt).toEqual(new Date('2024-01-01T00:00:00Z'));
    expect(await deadLetters.count()).toBe(3);
  });

  it('can be listed and counted for one handler', async () => {
    const { app, store, audit, deadLetters } = await start();
    await store.append('orders', numbered(1, 2));
    await audit.append('logins', numbered(1, 1));
    await settledHandlers(app);

    expect(await idsOf(deadLetters, 'billing')).toEqual(['billing:1', 'billing:2']);
    expect(await idsOf(deadLetters, 'auditing')).toEqual(['auditing:1']);
    expect(await idsOf(deadLetters, 'nobody')).toEqual([]);
    expect(await deadLetters.count({ subscription: 'billing' })).toBe(2);
  });

  it('can be injected, into a controller for example', async () => {
    @Controller('dead-letters')
    class DeadLettersController {
      constructor(readonly deadLetters: DeadLetters) {}
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], controllers: [DeadLettersController] });

    expect(await app.get(DeadLettersController).deadLetters.count()).toBe(0);
  });

  it('outlive the application, with their handlers', async () => {
    const engines = [memoryEngine(), memoryEngine()];
    const first = await start(engines);
    await first.store.append('orders', numbered(1, 1));
    await first.audit.append('logins', numbered(2, 2));
    await settledHandlers(first.app);
    const before = await first.deadLetters.list();
    await first.app.close();

    const { app, deadLetters } = await start(engines);
    expect(await deadLetters.list()).toEqual(before);
    app.get(Billing).failing.clear();
    await deadLetters.retry('billing:1');

    expect(app.get(Billing).handled).toEqual([1]);
    expect(await idsOf(deadLetters)).toEqual(['auditing:1']);
  });
});

describe('retrying a dead letter', () => {
  it('hands the event to its handler once more, and the letter is gone', async () => {
    const { app, audit, deadLetters } = await start();
    await audit.append('logins', numbered(1, 2));
    await settledHandlers(app);
    app.get(Auditing).failing.delete(2);

    await deadLetters.retry('auditing:2');

    expect(app.get(Auditing).handled).toEqual([2]);
    expect(await idsOf(deadLetters)).toEqual(['auditing:1']);
  });

  it('that fails again rejects with what the handler threw, and the letter stays', async () => {
    const { app, store, deadLetters } = await start();
    await store.append('orders', numbered(1, 1));
    await settledHandlers(app);

    const failure = await rejectionOf(deadLetters.retry('billing:1'));

    expect(failure).toBeInstanceOf(HandlerFailedError);
    expect(failure).toMatchObject({ code: 'HANDLER_FAILED', handler: 'billing', cause: { message: 'no 1' } });
    expect(await deadLetters.list()).toMatchObject([{ id: 'billing:1', attempts: 2 }]);
    expect(await app.get(StreamSubscriptions).list()).toContainEqual(
      expect.objectContaining({ name: 'billing', state: 'live', failures: 2 }),
    );
  });

  it('of a parked stream handles what waited before it resolves', async () => {
    const { app, store, deadLetters } = await start();
    await store.append('order-1', numbered(1, 1));
    await store.append('order-1', numbered(3, 4));
    await store.append('order-2', numbered(5, 5));
    await settledHandlers(app);
    const { handled, failing } = app.get(Parking);
    expect(handled).toEqual([5]);
    failing.clear();

    await deadLetters.retry('parking:1');

    expect(handled).toEqual([5, 1, 3, 4]);
    expect(await deadLetters.count()).toBe(0);
  });

  it('works while its handler is paused', async () => {
    const { app, store, deadLetters } = await start();
    await store.append('orders', numbered(1, 1));
    await settledHandlers(app);
    await app.get(StreamSubscriptions).pause('billing');
    app.get(Billing).failing.clear();

    await deadLetters.retry('billing:1');
    await store.append('orders', numbered(3, 3));
    await settled();

    expect(app.get(Billing).handled).toEqual([1]);
    expect(await deadLetters.count()).toBe(0);
  });
});

describe('discarding a dead letter', () => {
  it('gives the event up', async () => {
    const { app, store, deadLetters } = await start();
    await store.append('orders', numbered(1, 2));
    await settledHandlers(app);

    await deadLetters.discard('billing:1');

    expect(app.get(Billing).handled).toEqual([]);
    expect(await idsOf(deadLetters)).toEqual(['billing:2']);
    // The event itself stays in its stream.
    expect(await store.readStream('orders')).toHaveLength(2);
  });

  it('of a parked stream lets what waited follow', async () => {
    const { app, store, deadLetters } = await start();
    await store.append('order-1', numbered(1, 3));
    await settledHandlers(app);

    await deadLetters.discard('parking:1');
    expect(await idsOf(deadLetters)).toEqual(['parking:2']);
    await deadLetters.discard('parking:2');

    expect(app.get(Parking).handled).toEqual([3]);
    expect(await deadLetters.count()).toBe(0);
  });
});

describe.each(['retry', 'discard'] as const)('%s of a dead letter', (act) => {
  it.each(['billing:1', 'billing:99', 'nobody:1', '', '$dead-letters-billing'])(
    'that there is not rejects and says so: "%s"',
    async (id) => {
      const { deadLetters } = await start();

      expect(await rejectionOf(deadLetters[act](id))).toMatchObject({ code: 'DEAD_LETTER_NOT_FOUND', id });
    },
  );

  it('a second time rejects', async () => {
    const { app, store, deadLetters } = await start();
    await store.append('orders', numbered(1, 1));
    await settledHandlers(app);
    app.get(Billing).failing.clear();
    await deadLetters[act]('billing:1');

    expect(await rejectionOf(deadLetters[act]('billing:1'))).toMatchObject({ code: 'DEAD_LETTER_NOT_FOUND' });
  });

  it('whose handler the application has no more rejects and names it; the letter stays', async () => {
    const engine = memoryEngine();
    const first = await start([engine, memoryEngine()]);
    await first.store.append('orders', numbered(1, 1));
    await settledHandlers(first.app);
    await first.app.close();

    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Parking] });
    const deadLetters = app.get(DeadLetters);
    const failure = await rejectionOf(deadLetters[act]('billing:1'));

    expect(failure).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect((failure as Error).message).toMatch(/"billing".*parking/);
    expect(await idsOf(deadLetters)).toEqual(['billing:1']);
  });
});

describe('a dead letter that is asked for twice at a time', () => {
  it('is handed to the handler once, and what waited behind it once and in order', async () => {
    const { app, store, deadLetters } = await start();
    const parking = app.get(Parking);
    await store.append('order-1', numbered(1, 4));
    await settledHandlers(app);
    const [{ id }] = await deadLetters.list({ subscription: 'parking' });
    parking.failing.clear();

    const outcomes = await Promise.allSettled([deadLetters.retry(id), deadLetters.retry(id), deadLetters.discard(id)]);

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'DEAD_LETTER_NOT_FOUND' } });
    expect(parking.handled).toEqual([1, 2, 3, 4]);
  });
});

it('a dead letter of a handler that reads another store now is refused, and stays', async () => {
  const engine = memoryEngine();
  const first = await openEventStore({ engine, name: 'audit', snapshotInterval: 0 });
  await new DeadLetterStore(first).add({
    subscription: 'billing',
    event: await appended(first),
    error: new Error('no'),
    attempts: 1,
    isParked: false,
  });
  const { deadLetters } = await start([memoryEngine(), keptEngine(engine)]);
  const [{ id }] = await deadLetters.list();

  expect(await rejectionOf(deadLetters.retry(id))).toMatchObject({ code: 'VALIDATION_FAILED', field: 'name' });
  expect(await deadLetters.count()).toBe(1);
});

async function appended(store: EventStore): Promise<RecordedEvent> {
  await store.append('logins', numbered(9, 9));
  return (await store.readStream('logins'))[0];
}

/** An engine that another store has opened already. */
function keptEngine(inner: StorageEngine): StorageEngine {
  return aroundEngine((verb, ask) => (verb === 'open' ? undefined : ask()), inner);
}
