import { describe, expect, it } from '@jest/globals';
import { aggregatesOf } from 'nestjs-stream-store/event-sourcing';
import { ManualClock } from 'nestjs-stream-store/testing';
import { rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { Account } from './account.js';

/** Something to wait for, and what lets it come. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open!: () => void;
  return { opened: new Promise((resolve) => (open = resolve)), open };
}

describe('calls of one process that write to one aggregate', () => {
  it('follow each other in the order in which they came', async () => {
    const accounts = aggregatesOf(await openTestStore(), Account);
    const order: string[] = [];
    const slow = gate();
    const calls = [1, 2, 3].map((n) =>
      accounts.update('7', async (account) => {
        order.push(`begin ${n}`);
        if (n === 1) await slow.opened;
        account.deposit(n);
        order.push(`end ${n}`);
      }),
    );
    await accounts.update('8', (account) => {
      account.deposit(1);
      order.push('another aggregate');
    });
    slow.open();
    await Promise.all(calls);

    expect(order).toEqual([...['begin 1', 'another aggregate', 'end 1'], ...['begin 2', 'end 2', 'begin 3', 'end 3']]);
    expect((await accounts.get('7')).state.movements).toEqual([1, 2, 3]);
  });

  it('go on after one that has failed', async () => {
    const accounts = aggregatesOf(await openTestStore(), Account);
    const failing = accounts.update('7', () => Promise.reject(new Error('no')));
    const next = accounts.update('7', (account) => account.deposit(1));

    expect(await rejectionOf(failing)).toMatchObject({ message: 'no' });
    expect((await next).state.balance).toBe(1);
  });

  it('do not wait for ever for one that does not end', async () => {
    const clock = new ManualClock();
    const accounts = aggregatesOf(await openTestStore({ clock }), Account);
    const stuck = gate();
    const first = accounts.update('7', async (account) => {
      await stuck.opened;
      account.deposit(1);
    });
    let isDone = false;
    const second = accounts.update('7', (account) => account.deposit(2)).then(() => (isDone = true));

    await clock.advance(9_999);
    expect(isDone).toBe(false);
    await clock.advance(1);
    await second;
    stuck.open();
    // It has lost the race then, and begins again on the new state.
    await clock.advance(1_000);

    expect((await first).state.movements).toEqual([2, 1]);
  });
});

describe('a call in the act of another one', () => {
  it('is refused for the same aggregate, at once', async () => {
    const accounts = aggregatesOf(await openTestStore(), Account);

    const refused = await rejectionOf(
      accounts.update('7', () => accounts.update('7', (account) => account.deposit(1))),
    );

    expect(refused).toMatchObject({ code: 'VALIDATION_FAILED', field: 'id' });
    expect(await accounts.exists('7')).toBe(false);
  });

  it('waits for no other aggregate, so that two that want each other come to an end', async () => {
    const accounts = aggregatesOf(await openTestStore(), Account);
    for (const id of ['a', 'b']) await accounts.create(id, (account) => account.deposit(100));
    const [aBegun, bBegun] = [gate(), gate()];
    const transfer = (from: string, to: string, mine: { open: () => void }, others: { opened: Promise<void> }) =>
      accounts.update(
        from,
        async (account) => {
          mine.open();
          await others.opened;
          await accounts.update(to, (other) => other.deposit(10), { commandId: `from ${from}`, attempts: 100 });
          account.withdraw(10);
        },
        { attempts: 100 },
      );

    await Promise.all([transfer('a', 'b', aBegun, bBegun), transfer('b', 'a', bBegun, aBegun)]);

    expect((await accounts.get('a')).state.balance + (await accounts.get('b')).state.balance).toBe(200);
  });

  it('may be made when that one has ended', async () => {
    const accounts = aggregatesOf(await openTestStore(), Account);
    const ended = gate();
    let later!: Promise<unknown>;
    await accounts.update('7', (account) => {
      account.deposit(1);
      later = ended.opened.then(() => accounts.update('7', (again) => again.deposit(2)));
    });
    ended.open();
    await later;

    expect((await accounts.get('7')).state.balance).toBe(3);
  });
});
