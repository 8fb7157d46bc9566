import { describe, expect, it } from '@jest/globals';
import { memoryEngine, StorageUnavailableError } from 'nestjs-stream-store';
import { aggregatesOf } from 'nestjs-stream-store/event-sourcing';
import { faultyEngine } from 'nestjs-stream-store/testing';
import { rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { Account } from './account.js';

describe('a command with an id', () => {
  it('is done once, and answers the second time what it answered the first', async () => {
    const store = await openTestStore();
    const accounts = aggregatesOf(store, Account);
    await accounts.create('7', (account) => account.deposit(100));
    let calls = 0;
    const withdrawAll = (account: Account): void => {
      calls++;
      account.withdraw(account.balance);
      account.close();
    };

    const first = await accounts.update('7', withdrawAll, { commandId: 'cmd-1' });
    const again = await accounts.update('7', withdrawAll, { commandId: 'cmd-1' });

    expect(calls).toBe(1);
    expect(first).toMatchObject({ revision: 3, globalPosition: 3, state: { balance: 0 } });
    expect(again).toEqual(first);
    expect((await store.stats()).eventsAppended).toBe(3);
  });

  it('is done once also long after, by another process, and in a state in which it would be refused', async () => {
    const store = await openTestStore();
    const accounts = aggregatesOf(store, Account);
    await accounts.create('7', (account) => account.deposit(100));
    const first = await accounts.update('7', (account) => account.withdraw(100), { commandId: 'cmd-1' });
    for (let n = 0; n < 1_000; n++) await store.append('account-7', { type: 'account.deposited', data: { amount: 1 } });
    const later = aggregatesOf(store, Account);

    const again = await later.update('7', () => Promise.reject(new Error('it is called')), { commandId: 'cmd-1' });

    expect(again).toEqual(first);
    expect((await later.get('7')).state.balance).toBe(1_000);
  });

  it('counts for its aggregate alone', async () => {
    const accounts = aggregatesOf(await openTestStore(), Account);

    for (const id of ['7', '8']) await accounts.update(id, (account) => account.deposit(1), { commandId: 'cmd-1' });

    expect((await accounts.get('7')).state.balance + (await accounts.get('8')).state.balance).toBe(2);
  });

  it('leaves no trace when it records nothing, or throws', async () => {
    const accounts = aggregatesOf(await openTestStore(), Account);
    await accounts.update('7', () => undefined, { commandId: 'cmd-1' });
    const withdraw = (account: Account): void => account.withdraw(10);
    await rejectionOf(accounts.update('7', withdraw, { commandId: 'cmd-1' }));
    await accounts.update('7', (account) => account.deposit(10));

    const { state } = await accounts.update('7', withdraw, { commandId: 'cmd-1' });

    expect(state.balance).toBe(0);
  });

  it('is answered before its expected revision is looked at', async () => {
    const accounts = aggregatesOf(await openTestStore(), Account);
    const options = { commandId: 'cmd-1', expectedRevision: 0 };
    const first = await accounts.update('7', (account) => account.deposit(10), options);

    expect(await accounts.update('7', (account) => account.deposit(10), options)).toEqual(first);
  });

  it('creates once', async () => {
    const accounts = aggregatesOf(await openTestStore(), Account);
    const first = await accounts.create('7', (account) => account.open('Ada'), { commandId: 'cmd-1' });

    expect(await accounts.create('7', (account) => account.open('Bob'), { commandId: 'cmd-1' })).toEqual(first);
    expect(
      await rejectionOf(accounts.create('7', (account) => account.open('Bob'), { commandId: 'cmd-2' })),
    ).toMatchObject({ code: 'WRONG_EXPECTED_REVISION' });
  });

  it('is done once when two processes do it at the same time', async () => {
    const store = await openTestStore();
    const processes = [aggregatesOf(store, Account), aggregatesOf(store, Account)];
    let waiting = 0;
    let goOn!: () => void;
    const both = new Promise<void>((resolve) => (goOn = resolve));

    const results = await Promise.all(
      processes.map((accounts) =>
        accounts.update(
          '7',
          async (account) => {
            if (++waiting === 2) goOn();
            await both;
            account.deposit(10);
          },
          { commandId: 'cmd-1' },
        ),
      ),
    );

    expect(results[1]).toEqual(results[0]);
    expect((await store.stats()).eventsAppended).toBe(1);
  });
});

describe('a command that is in doubt, as the storage went away', () => {
  it('is not run twice, and found out by its id', async () => {
    let acts = 0;
    const engine = faultyEngine(memoryEngine());
    const accounts = aggregatesOf(await openTestStore({ engine }), Account);
    const deposit = (account: Account): void => {
      acts++;
      account.deposit(10);
    };
    const error = new StorageUnavailableError('database', true, new Error('the connection was lost'));
    engine.fail({ verb: 'append', when: 'after', error });

    const doubt = await rejectionOf(accounts.update('7', deposit, { commandId: 'cmd-1' }));
    const { state } = await accounts.update('7', deposit, { commandId: 'cmd-1' });

    expect(doubt).toMatchObject({ code: 'STORAGE_UNAVAILABLE', isOutcomeUnknown: true });
    expect([state.balance, acts]).toEqual([10, 1]);
  });

  it('is done, and says so, when only reading it back fails', async () => {
    const engine = faultyEngine(memoryEngine());
    const store = await openTestStore({ engine });
    const accounts = aggregatesOf(store, Account);
    await accounts.create('7', (account) => account.deposit(1));
    const { state, revision, events } = await accounts.update('7', (account) => {
      account.deposit(10);
      engine.fail({ verb: 'readStream' });
    });

    expect([state.balance, revision]).toEqual([11, 2]);
    expect(events).toMatchObject([{ type: 'account.deposited', data: { amount: 10 }, position: 2, globalPosition: 2 }]);
    expect(await accounts.get('7')).toMatchObject({ revision: 2, state: { balance: 11 } });
  });
});
