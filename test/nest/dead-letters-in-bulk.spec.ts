import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import {
  DeadLetters,
  EventStore,
  EventStoreModule,
  memoryEngine,
  OnStreamEvent,
  StreamSubscriptions,
  systemClock,
  type BulkProgress,
  type Clock,
  type RecordedEvent,
  type StorageEngine,
} from 'nestjs-stream-store';
import { numbered, rejectionOf } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { startApp } from '../support/servers/nest-app.js';
import { SharedMemory } from '../support/engines/shared-memory-engine.js';

const ONCE = { retry: { attempts: 1 } };

@Injectable()
class Billing {
  failing: (data: unknown) => boolean = () => true;
  readonly handled: unknown[] = [];
  during: (event: RecordedEvent) => unknown = () => undefined;

  @OnStreamEvent({ streams: 'order-*' }, { durable: 'billing', ...ONCE })
  async on(event: RecordedEvent): Promise<void> {
    await this.during(event);
    if (this.failing(event.data)) throw new TypeError(`No Card for ${JSON.stringify(event.data).slice(0, 9)}`);
    this.handled.push(event.data);
  }
}

@Injectable()
class Parking {
  fails = true;
  readonly handled: unknown[] = [];

  @OnStreamEvent({ streams: 'account-*' }, { durable: 'parking', onFailure: 'park-stream', ...ONCE })
  on({ data }: RecordedEvent): void {
    if (this.fails) throw new RangeError('overdrawn');
    this.handled.push(data);
  }
}

interface Setup {
  readonly app: TestingModule;
  readonly store: EventStore;
  readonly deadLetters: DeadLetters;
  readonly billing: Billing;
  readonly parking: Parking;
  readonly settled: () => Promise<void>;
}

async function start(engine: StorageEngine = memoryEngine(), clock: Clock = new ManualClock()): Promise<Setup> {
  const app = await startApp({
    imports: [EventStoreModule.forRoot({ clock, engine })],
    providers: [Billing, Parking],
  });
  return {
    app,
    store: app.get(EventStore),
    deadLetters: app.get(DeadLetters),
    billing: app.get(Billing),
    parking: app.get(Parking),
    settled: () => app.get(StreamSubscriptions).whenSettled(),
  };
}

/** Six letters, one a second: 1, 3 and 5 of `order-1`, the others of `order-2`. */
async function startWithSix(): Promise<Setup> {
  const clock = new ManualClock();
  const setup = await start(memoryEngine(), clock);
  for (let data = 1; data <= 6; data++) {
    await setup.store.append(data % 2 ? 'order-1' : 'order-2', numbered(data, data));
    await setup.settled();
    clock.jump(1_000);
  }
  return setup;
}

const dataOf = (letters: readonly { event: RecordedEvent }[]): unknown[] => letters.map(({ event }) => event.data);

describe('a page of dead letters', () => {
  it('goes on where the one before ended, while letters come and go', async () => {
    const { store, settled, deadLetters } = await startWithSix();

    const first = await deadLetters.page({ limit: 2 });
    // The one that the cursor names is gone when the next page is asked for.
    await deadLetters.discard(first.deadLetters[1].id);
    await deadLetters.discard(first.deadLetters[0].id);
    const [third] = await deadLetters.list({ error: 'for 3' });
    await deadLetters.discard(third.id);
    await store.append('order-1', numbered(7, 7));
    await settled();
    const second = await deadLetters.page({ limit: 2, after: first.next });
    const last = await deadLetters.page({ limit: 2, after: second.next });

    expect([first, second, last].map(({ deadLetters: letters }) => dataOf(letters))).toEqual([
      [1, 2],
      [4, 5],
      [6, 7],
    ]);
    expect(last.next).toBeUndefined();
  });

  it('has the hundred oldest when nothing is said, and at most a thousand', async () => {
    const { store, settled, deadLetters } = await start();
    await store.append('order-1', numbered(1, 1_001));
    await settled();

    expect(dataOf(await deadLetters.list())).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(await deadLetters.list({ limit: 1_000 })).toHaveLength(1_000);
    expect(await deadLetters.count()).toBe(1_001);
    for (const limit of [0, 1_001, 1.5, NaN]) {
      expect(await rejectionOf(deadLetters.list({ limit }))).toMatchObject({ code: 'VALIDATION_FAILED' });
    }
  });

  it('has no more than a few megabytes, and at least one letter', async () => {
    const { store, settled, deadLetters } = await start();
    for (let index = 0; index < 5; index++) await store.append('order-1', { type: 'big', data: 'x'.repeat(3_000_000) });
    await settled();

    const sizes: number[] = [];
    let after: string | undefined;
    do {
      const { deadLetters: letters, next } = await deadLetters.page({ after });
      sizes.push(letters.length);
      after = next;
    } while (after !== undefined);

    expect(sizes).toEqual([2, 2, 1]);
  });

  it.each([
    [{ subscription: 'billing' }, [1, 2, 3, 4, 5, 6]],
    [{ subscription: 'parking' }, []],
    [{ subscription: 'nobody' }, []],
    [{ stream: 'order-2' }, [2, 4, 6]],
    [{ error: 'no card for 3' }, [3]],
    [{ error: 'TYPEERROR' }, [1, 2, 3, 4, 5, 6]],
    [{ error: 'overdrawn' }, []],
    [{ from: '2024-01-01T00:00:02Z' }, [3, 4, 5, 6]],
    [{ from: new Date('2024-01-01T00:00:01Z'), to: '2024-01-01T00:00:03Z' }, [2, 3]],
    [{ stream: 'order-1', to: '2024-01-01T00:00:04Z' }, [1, 3]],
  ])('has those that match %j', async (filter, expected) => {
    const { deadLetters } = await startWithSix();

    expect(dataOf(await deadLetters.list(filter))).toEqual(expected);
    expect(await deadLetters.count(filter)).toBe(expected.length);
  });

  it.each([
    [{ after: 'nonsense' }, 'after'],
    [{ from: 'yesterday' }, 'from'],
    [{ handler: 'billing' }, 'handler'],
    [{ error: 1 }, 'error'],
  ])('refuses %j and names what is wrong', async (query, field) => {
    const { deadLetters } = await start();

    expect(await rejectionOf(deadLetters.page(query as object))).toMatchObject({ code: 'VALIDATION_FAILED', field });
  });
});

it('dead letters are counted by handler', async () => {
  const { store, settled, deadLetters } = await start();
  await store.append('order-1', numbered(1, 3));
  await store.append('account-1', numbered(1, 3));
  await settled();

  expect(await deadLetters.countByHandler()).toEqual(
    new Map([
      ['billing', 3],
      ['parking', 1],
    ]),
  );
});

describe('retrying all that match', () => {
  it('hands them over in order, tells how far it is, and keeps those that fail again', async () => {
    const { deadLetters, billing } = await startWithSix();
    billing.failing = (data) => data === 3;
    const told: BulkProgress[] = [];

    const result = await deadLetters.retryAll({ stream: 'order-1' }, { onProgress: (progress) => told.push(progress) });

    expect(result).toEqual({ handled: 2, failed: 1, skipped: 0 });
    expect(billing.handled).toEqual([1, 5]);
    expect(told).toEqual([
      { total: 3, done: 1, failed: 0, skipped: 0 },
      { total: 3, done: 1, failed: 1, skipped: 0 },
      { total: 3, done: 2, failed: 1, skipped: 0 },
    ]);
    expect(await deadLetters.list({ stream: 'order-1' })).toMatchObject([{ event: { data: 3 }, attempts: 2 }]);
  });

  it('leaves out what is dead-lettered meanwhile, and what somebody else handles meanwhile', async () => {
    const { store, settled, deadLetters, billing } = await startWithSix();
    billing.failing = (data) => data === 7;
    const [, second, third] = await deadLetters.list();
    billing.during = async ({ data }) => {
      if (data !== 1) return;
      billing.during = () => undefined;
      await deadLetters.discard(second.id);
      await deadLetters.retry(third.id);
      await store.append('order-1', numbered(7, 7));
      await settled();
    };

    expect(await deadLetters.retryAll()).toEqual({ handled: 4, failed: 0, skipped: 2 });

    expect(billing.handled).toEqual([3, 1, 4, 5, 6]);
    expect(dataOf(await deadLetters.list())).toEqual([7]);
  });

  it('lets what waited behind a parked stream follow, in order', async () => {
    const { store, settled, deadLetters, parking } = await start();
    await store.append('account-1', numbered(1, 3));
    await store.append('account-2', numbered(4, 5));
    await settled();
    parking.fails = false;

    expect(await deadLetters.retryAll({ subscription: 'parking' })).toEqual({ handled: 2, failed: 0, skipped: 0 });

    expect(parking.handled).toEqual([1, 2, 3, 4, 5]);
  });

  it('ends after the letter at work when its signal aborts', async () => {
    const { deadLetters, billing } = await startWithSix();
    billing.failing = () => false;
    const abort = new AbortController();
    billing.during = ({ data }) => data === 2 && abort.abort();

    const failure = await rejectionOf(deadLetters.retryAll({}, { signal: abort.signal }));

    expect(failure).toMatchObject({ code: 'OPERATION_ABORTED', operation: 'retryAll' });
    expect(billing.handled).toEqual([1, 2]);
    expect(await deadLetters.count()).toBe(4);
  });

  it('tries nothing when one of them has no handler here', async () => {
    const engine = memoryEngine();
    const first = await start(engine);
    await first.store.append('order-1', numbered(1, 1));
    await first.store.append('account-1', numbered(1, 1));
    await first.settled();
    await first.app.close();
    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Parking] });
    const deadLetters = app.get(DeadLetters);
    app.get(Parking).fails = false;

    const failure = await rejectionOf(deadLetters.retryAll());

    expect(failure).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect((failure as Error).message).toContain('"billing"');
    expect(await deadLetters.count()).toBe(2);
    expect(await deadLetters.retryAll({ subscription: 'parking' })).toMatchObject({ handled: 1 });
  });

  it('in two processes at a time hands each letter over once', async () => {
    const shared = new SharedMemory(systemClock);
    const one = await start(shared.engine(), systemClock);
    await one.store.append('order-1', numbered(1, 20));
    await one.settled();
    const two = await start(shared.engine(), systemClock);
    for (const { billing } of [one, two]) billing.failing = () => false;

    const results = await Promise.all([one.deadLetters.retryAll(), two.deadLetters.retryAll()]);

    expect([...one.billing.handled, ...two.billing.handled].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    expect(results[0].handled + results[1].handled).toBe(20);
    expect(results[0].skipped + results[1].skipped).toBeLessThanOrEqual(20);
  });
});

it('all that match can be discarded', async () => {
  const { deadLetters, billing } = await startWithSix();

  expect(await deadLetters.discardAll({ error: 'for 4' })).toEqual({ discarded: 1, skipped: 0 });
  expect(await deadLetters.discardAll()).toEqual({ discarded: 5, skipped: 0 });

  expect(billing.handled).toEqual([]);
  expect(await deadLetters.count()).toBe(0);
});
