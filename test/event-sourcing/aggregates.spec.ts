import { describe, expect, it } from '@jest/globals';
import {
  AggregateNotFoundError,
  EventsExpiredError,
  type EventStoreOptions,
  type ExpectedRevision,
  NO_STREAM,
  STREAM_EXISTS,
  ValidationError,
  WrongExpectedRevisionError,
} from 'nestjs-stream-store';
import { Aggregate, AggregateRoot, aggregatesOf, Apply, decider } from 'nestjs-stream-store/event-sourcing';
import { rejectionOf } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { Account, cart, NotEnough } from './account.js';

async function openAccounts(options: EventStoreOptions = {}) {
  const store = await openTestStore(options);
  return { store, accounts: aggregatesOf(store, Account) };
}

describe('create', () => {
  it('keeps what the act recorded in the stream of category and id, and answers with the state', async () => {
    const { store, accounts } = await openAccounts();

    const created = await accounts.create('7', (account) => {
      account.open('Ada');
      account.deposit(100);
    });

    const events = await store.readStream('account-7');
    expect(created).toMatchObject({ revision: 2, globalPosition: 2 });
    expect(created.state).toMatchObject({ owner: 'Ada', balance: 100, isOpen: true });
    expect(created.events).toEqual(events);
    expect(events.map(({ type, data }) => ({ type, data }))).toEqual([
      { type: 'account.opened', data: { owner: 'Ada' } },
      { type: 'account.deposited', data: { amount: 100 } },
    ]);
  });

  it('refuses what was created before, without calling the act', async () => {
    const { accounts } = await openAccounts();
    await accounts.create('7', (account) => account.open('Ada'));
    let calls = 0;

    const refused = await rejectionOf(accounts.create('7', () => void calls++));

    expect(refused).toBeInstanceOf(WrongExpectedRevisionError);
    expect(refused).toMatchObject({ streamId: 'account-7', expected: NO_STREAM, actual: 1 });
    expect(calls).toBe(0);
  });

  it('refuses a stream that retention has emptied', async () => {
    const clock = new ManualClock();
    const { store, accounts } = await openAccounts({ clock, retentionDuration: 1_000 });
    await accounts.create('7', (account) => account.open('Ada'));
    await clock.advance(5_000);
    await store.sweep();

    expect(await rejectionOf(accounts.create('7', (account) => account.open('Bob')))).toMatchObject({
      code: 'WRONG_EXPECTED_REVISION',
      actual: 1,
    });
    expect(await accounts.exists('7')).toBe(true);
  });

  it('makes nothing when nothing is recorded', async () => {
    const { accounts } = await openAccounts();

    expect(await accounts.create('7', () => undefined)).toMatchObject({ revision: 0, globalPosition: 0, events: [] });
    expect(await accounts.exists('7')).toBe(false);
  });
});

describe('get and find', () => {
  it('say that an aggregate was never created', async () => {
    const { accounts } = await openAccounts();

    const missing = await rejectionOf(accounts.get('7'));

    expect(missing).toBeInstanceOf(AggregateNotFoundError);
    expect(missing).toMatchObject({ code: 'AGGREGATE_NOT_FOUND', category: 'account', id: '7' });
    expect(await accounts.find('7')).toBeUndefined();
    expect(await accounts.exists('7')).toBe(false);
  });

  it('answer with the state, where it is in the log, and no events', async () => {
    const { store, accounts } = await openAccounts();
    await store.append('other', { type: 'x' });
    await accounts.create('7', (account) => account.open('Ada'));

    expect(await accounts.get('7')).toMatchObject({
      revision: 1,
      globalPosition: 2,
      events: [],
      state: { owner: 'Ada' },
    });
    expect(await accounts.find('7')).toEqual(await accounts.get('7'));
  });

  it('see what somebody else has appended since', async () => {
    const { store, accounts } = await openAccounts();
    const others = aggregatesOf(store, Account);
    await accounts.create('7', (account) => account.open('Ada'));
    await accounts.get('7');
    await others.update('7', (account) => account.deposit(5));

    expect((await accounts.get('7')).state.balance).toBe(5);
  });
});

describe('update', () => {
  it('appends after the state it was decided on', async () => {
    const { accounts } = await openAccounts();
    await accounts.create('7', (account) => account.open('Ada'));

    await accounts.update('7', (account) => account.deposit(100));
    const { state, revision, events } = await accounts.update('7', (account) => account.withdraw(30));

    expect([state.balance, revision, events]).toEqual([
      70,
      3,
      [expect.objectContaining({ type: 'account.withdrawn', data: { amount: 30 }, position: 3 })],
    ]);
  });

  it('begins with the first state when nothing is there', async () => {
    const carts = aggregatesOf(await openTestStore(), cart);

    const { state, revision } = await carts.update('1', ({ open }, record) => {
      if (open) record('cart.item-added', { sku: 'tea', n: 2 });
    });

    expect([state, revision]).toEqual([{ items: { tea: 2 }, open: true }, 1]);
  });

  it('rejects with what the act throws, as it is, and keeps nothing', async () => {
    const { store, accounts } = await openAccounts();
    await accounts.create('7', (account) => account.open('Ada'));
    const refusal = new NotEnough('no');

    const thrown = await rejectionOf(
      accounts.update('7', (account) => {
        account.deposit(1);
        throw refusal;
      }),
    );

    expect(thrown).toBe(refusal);
    expect(await store.readStream('account-7')).toHaveLength(1);
    expect((await accounts.get('7')).state.balance).toBe(0);
  });

  it('appends nothing when nothing was recorded', async () => {
    const { store, accounts } = await openAccounts();
    await accounts.create('7', (account) => account.open('Ada'));

    expect(await accounts.update('7', () => undefined)).toMatchObject({ revision: 1, globalPosition: 1, events: [] });
    expect((await store.stats()).eventsAppended).toBe(1);
  });

  it('waits for an act that is asynchronous', async () => {
    const { accounts } = await openAccounts();

    const { state } = await accounts.update('7', async (account) => {
      await Promise.resolve();
      account.open('Ada');
    });

    expect(state.owner).toBe('Ada');
  });

  it('refuses what is recorded after its act has ended', async () => {
    const { accounts } = await openAccounts();
    let late!: Account;
    await accounts.update('7', (account) => {
      late = account;
      account.open('Ada');
    });

    expect(() => late.deposit(5)).toThrow(/"account.deposited" comes too late to be kept/);
    const { state } = await accounts.get('7');
    expect(() => state.deposit(5)).toThrow(/would not be kept/);
  });

  it('gives each act and each answer an instance of its own', async () => {
    const { accounts } = await openAccounts();
    const instances: Account[] = [];
    const { state } = await accounts.update('7', (account) => {
      instances.push(account);
      account.open('Ada');
      account.deposit(1);
    });
    state.balance = 1_000_000;
    instances[0].movements.push(666);
    instances.push(state, (await accounts.get('7')).state, (await accounts.get('7')).state);
    await accounts.update('7', (account) => {
      instances.push(account);
      account.balance = 5;
      account.deposit(1);
    });

    expect(new Set(instances).size).toBe(5);
    expect((await accounts.get('7')).state).toMatchObject({ balance: 2, movements: [1, 1] });
  });

  it('calls the act again on the new state when somebody else was first', async () => {
    const { store, accounts } = await openAccounts();
    const others = aggregatesOf(store, Account);
    await accounts.create('7', (account) => account.open('Ada'));
    const seen: number[] = [];

    const { state } = await accounts.update('7', async (account) => {
      seen.push(account.balance);
      if (seen.length < 3) await others.update('7', (other) => other.deposit(10));
      account.deposit(1);
    });

    expect(seen).toEqual([0, 10, 20]);
    expect(state.balance).toBe(21);
  });

  it('gives up with the conflict after as many attempts as it has', async () => {
    const { store, accounts } = await openAccounts();
    const others = aggregatesOf(store, Account);
    let calls = 0;

    const lost = await rejectionOf(
      accounts.update(
        '7',
        async (account) => {
          calls++;
          await others.update('7', (other) => other.deposit(10));
          account.deposit(1);
        },
        { attempts: 2 },
      ),
    );

    expect(lost).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', streamId: 'account-7' });
    expect(calls).toBe(2);
  });

  it('waits between attempts by the clock of the store, with full jitter', async () => {
    const clock = new ManualClock(undefined, { random: 0.5 });
    const { store, accounts } = await openAccounts({ clock });
    const others = aggregatesOf(store, Account);
    let calls = 0;
    const update = accounts.update('7', async (account) => {
      if (calls++ < 2) await others.update('7', (other) => other.deposit(10));
      account.deposit(1);
    });

    await clock.advance(4);
    expect(calls).toBe(1);
    await clock.advance(1);
    expect(calls).toBe(2);
    await clock.advance(9);
    expect(calls).toBe(2);
    await clock.advance(1);
    expect((await update).state.balance).toBe(21);
  });

  it.each<[string, ExpectedRevision, number]>([
    ['a number', 1, 2],
    ['NO_STREAM', NO_STREAM, 2],
  ])('with %s as the expected revision, refuses another one before the act', async (_, expectedRevision, actual) => {
    const { accounts } = await openAccounts();
    await accounts.create('7', (account) => {
      account.open('Ada');
      account.deposit(1);
    });
    let calls = 0;

    const refused = await rejectionOf(accounts.update('7', () => void calls++, { expectedRevision }));

    expect(refused).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', expected: expectedRevision, actual });
    expect(calls).toBe(0);
  });

  it('with STREAM_EXISTS as the expected revision, refuses what was never created', async () => {
    const { accounts } = await openAccounts();

    const refused = await rejectionOf(accounts.update('7', () => undefined, { expectedRevision: STREAM_EXISTS }));

    expect(refused).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', actual: 0 });
  });

  it('with an expected revision, tries nothing again', async () => {
    const { store, accounts } = await openAccounts();
    const others = aggregatesOf(store, Account);
    await accounts.create('7', (account) => account.open('Ada'));
    let calls = 0;

    const act = async (account: Account) => {
      calls++;
      await others.update('7', (other) => other.deposit(10));
      account.deposit(1);
    };

    expect(await rejectionOf(accounts.update('7', act, { expectedRevision: 1 }))).toMatchObject({ actual: 2 });
    expect(calls).toBe(1);
  });

  it('puts its metadata under that of each event', async () => {
    const { accounts } = await openAccounts();
    const carts = aggregatesOf(await openTestStore(), cart);

    const { events } = await carts.update(
      '1',
      (_, record) => {
        record('cart.item-added', { sku: 'tea', n: 1 });
        record('cart.checked-out', { at: 'now' }, { metadata: { user: 'Bob', why: 'done' }, timestamp: 0 });
      },
      { metadata: { user: 'Ada', request: 'r1' } },
    );

    expect(events.map(({ metadata }) => metadata)).toEqual([
      { user: 'Ada', request: 'r1' },
      { user: 'Bob', request: 'r1', why: 'done' },
    ]);
    expect(events[1].timestamp.getTime()).toBe(0);
    expect(await accounts.exists('1')).toBe(false);
  });
});

describe('stateAt', () => {
  async function history() {
    const clock = new ManualClock('2024-01-01T00:00:00Z');
    const { store, accounts } = await openAccounts({ clock });
    await accounts.create('7', (account) => account.open('Ada'));
    for (const amount of [1, 2, 3]) {
      await clock.advance(1_000);
      await accounts.update('7', (account) => account.deposit(amount));
    }
    return { store, accounts };
  }

  it('gives the state after an event', async () => {
    const { accounts } = await history();

    expect(await accounts.stateAt('7', 3)).toMatchObject({ revision: 3, globalPosition: 3, state: { balance: 3 } });
    expect((await accounts.stateAt('7', 4)).state).toEqual((await accounts.get('7')).state);
  });

  it('gives the state at a time by when events were kept, inclusive', async () => {
    const { accounts } = await history();

    const at = async (time: string) => (await accounts.stateAt('7', new Date(time))).state.balance;
    expect(await at('2024-01-01T00:00:02Z')).toBe(3);
    expect(await at('2024-01-01T00:00:01.999Z')).toBe(1);
    expect(await at('2030-01-01T00:00:00Z')).toBe(6);
  });

  it('says that there was nothing then, or not that much', async () => {
    const { accounts } = await history();

    expect(await rejectionOf(accounts.stateAt('7', new Date('2023-01-01')))).toBeInstanceOf(AggregateNotFoundError);
    expect(await rejectionOf(accounts.stateAt('8', 1))).toBeInstanceOf(AggregateNotFoundError);
    expect(await rejectionOf(accounts.stateAt('7', 0))).toBeInstanceOf(AggregateNotFoundError);
    expect(await rejectionOf(accounts.stateAt('7', 5))).toMatchObject({ field: 'revision' });
  });
});

describe('a stream that retention has trimmed', () => {
  it('is an error, also for who remembers the state', async () => {
    const clock = new ManualClock();
    const { store, accounts } = await openAccounts({ clock, retentionDuration: 10_000 });
    await accounts.create('7', (account) => account.open('Ada'));
    await clock.advance(6_000);
    await accounts.update('7', (account) => account.deposit(1));
    await clock.advance(6_000);
    await store.sweep();

    for (const aggregates of [accounts, aggregatesOf(store, Account)]) {
      const expired = await rejectionOf(aggregates.get('7'));
      expect(expired).toBeInstanceOf(EventsExpiredError);
      expect(expired).toMatchObject({ code: 'EVENTS_EXPIRED', streamId: 'account-7', trimmedTo: 1 });
      expect(await rejectionOf(aggregates.update('7', (account) => account.deposit(1)))).toMatchObject({
        code: 'EVENTS_EXPIRED',
      });
    }
  });
});

describe('events that nothing applies', () => {
  @Aggregate('shelf')
  class Shelf extends AggregateRoot<{ 'shelf.filled': null; 'shelf.moved': null }> {
    filled = 0;
    fill(): void {
      this.record('shelf.filled');
    }
    move(): void {
      this.record('shelf.moved');
    }
    @Apply('shelf.filled')
    protected onFilled(): void {
      this.filled++;
    }
  }

  @Aggregate('shelf', { ignoreUnknown: true })
  class TolerantShelf extends Shelf {}

  it('are an error when they are recorded', async () => {
    const shelves = aggregatesOf(await openTestStore(), Shelf);

    const refused = await rejectionOf(shelves.update('1', (shelf) => shelf.move()));

    expect(refused).toBeInstanceOf(ValidationError);
    expect(refused).toMatchObject({
      field: 'events[0].type',
      message: expect.stringContaining('@Apply("shelf.moved")'),
    });
    expect(await shelves.exists('1')).toBe(false);
  });

  it('are an error when they are loaded', async () => {
    const store = await openTestStore();
    await store.append('shelf-1', { type: 'shelf.moved' });

    expect(await rejectionOf(aggregatesOf(store, Shelf).get('1'))).toMatchObject({
      code: 'VALIDATION_FAILED',
      field: 'shelf-1@1',
    });
  });

  it('are passed over where that is said', async () => {
    const shelves = aggregatesOf(await openTestStore(), TolerantShelf);
    await shelves.update('1', (shelf) => {
      shelf.move();
      shelf.fill();
    });

    expect(await shelves.get('1')).toMatchObject({ revision: 2, state: { filled: 1 } });
  });
});

describe('what @Apply gets', () => {
  const drawer = decider<{ seen: unknown[] }, { put: { at: Date; nothing?: string } }>('drawer', {
    initial: () => ({ seen: [] }),
    evolve: {
      put: (state, data, event) => ({ seen: [...state.seen, data, event.position, event.timestamp.getTime()] }),
    },
  });

  it('is what a reader gets: read back from JSON, and frozen', async () => {
    const store = await openTestStore();
    const drawers = aggregatesOf(store, drawer);
    let decided: unknown;
    const { state } = await drawers.update('1', (_, record) => {
      decided = record('put', { at: new Date(0), nothing: undefined }, { timestamp: 5 });
    });

    expect(decided).toEqual({ seen: [{ at: '1970-01-01T00:00:00.000Z' }, 1, 5] });
    expect(state).toEqual(decided);
    expect((await aggregatesOf(store, drawer).get('1')).state).toEqual(decided);
    expect(Object.isFrozen((decided as { seen: unknown[] }).seen[0])).toBe(true);
  });
});

describe('bad input', () => {
  it.each([
    ['an empty id', '', 'id'],
    ['an id with a control character', 'a\nb', 'id'],
    ['an id that is too long', 'x'.repeat(513), 'id'],
    ['an id that is no text', 7 as unknown as string, 'id'],
  ])('refuses %s', async (_, id, field) => {
    const { accounts } = await openAccounts();

    for (const call of [
      accounts.get(id),
      accounts.exists(id),
      accounts.update(id, () => 1),
      accounts.create(id, () => 1),
    ])
      expect(await rejectionOf(call)).toMatchObject({ code: 'VALIDATION_FAILED', field });
  });

  it.each([
    [{ attempts: 0 }, 'attempts'],
    [{ attempts: 1.5 }, 'attempts'],
    [{ expectedRevision: -1 }, 'expectedRevision'],
    [{ commandId: '' }, 'commandId'],
    [{ commandId: 'x'.repeat(201) }, 'commandId'],
    [{ metadata: [] as never }, 'metadata'],
    [{ comandId: 'x' } as never, 'comandId'],
  ])('refuses the options %j', async (options, field) => {
    const { accounts } = await openAccounts();

    expect(await rejectionOf(accounts.update('7', () => undefined, options))).toMatchObject({ field });
  });

  it('refuses data that JSON cannot hold, with its path, and keeps nothing', async () => {
    const { accounts } = await openAccounts();

    const refused = await rejectionOf(accounts.update('7', (account) => account.deposit(NaN)));

    expect(refused).toMatchObject({ code: 'VALIDATION_FAILED', field: 'events[0].data.amount' });
    expect(await accounts.exists('7')).toBe(false);
  });

  it('refuses an act that is no function', async () => {
    const { accounts } = await openAccounts();

    expect(await rejectionOf(accounts.update('7', undefined as never))).toMatchObject({ field: 'act' });
  });
});
