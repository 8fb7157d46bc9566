import { AssertionError } from 'node:assert';
import { describe, expect, it } from '@jest/globals';
import { given } from 'nestjs-stream-store/testing';
import { Account, cart, NotEnough } from '../event-sourcing/account.js';
import { rejectionOf } from '../support/events.js';

const opened = { type: 'account.opened', data: { owner: 'Ada' } } as const;
const deposited = { type: 'account.deposited', data: { amount: 100 } } as const;

describe('given, when, then', () => {
  it('expects the events that an aggregate records', () => {
    given(Account, [opened, deposited])
      .when((account) => account.withdraw(30))
      .then([{ type: 'account.withdrawn', data: { amount: 30 } }]);
  });

  it('expects an error, by its class, by one like it, by a part of its message, and by a pattern', () => {
    const expectation = given(Account, [opened]).when((account) => account.withdraw(30));

    expectation.then(NotEnough);
    expectation.then(Error);
    expectation.then(new NotEnough('there are only 0'));
    expectation.then('only 0');
    expectation.then(/^there are/);
  });

  it('works for deciders', () => {
    given(cart, [{ type: 'cart.item-added', data: { sku: 'tea', n: 1 } }])
      .when((state, record) => {
        if (state.items.tea === 1) record('cart.item-added', { sku: 'tea', n: 2 });
      })
      .then([{ type: 'cart.item-added', data: { sku: 'tea', n: 2 } }]);
  });

  it('waits for an act that is asynchronous', async () => {
    const expectation = given(Account, [opened, deposited]).when(async (account) => {
      await Promise.resolve();
      account.withdraw(30);
    });

    await expectation.then([{ type: 'account.withdrawn', data: { amount: 30 } }]);
    await expect(expectation.then([])).rejects.toThrow(AssertionError);
  });

  it('needs no past, and no events', () => {
    given(Account)
      .when((account) => account.open('Ada'))
      .then([opened]);
    given(Account, [])
      .when(() => undefined)
      .then([]);
  });

  it('fails at once when other events are recorded than expected', () => {
    const expectation = given(Account, [opened, deposited]).when((account) => account.withdraw(30));

    expect(() => expectation.then([])).toThrow(AssertionError);
    expect(() => expectation.then([{ type: 'account.withdrawn', data: { amount: 31 } }])).toThrow(/31/);
    expect(() => expectation.then(NotEnough)).toThrow(/an error was expected, and it recorded .*account.withdrawn/);
  });

  it('fails at once when it throws something else than expected', () => {
    const expectation = given(Account, [opened]).when((account) => account.withdraw(30));

    expect(() => expectation.then([])).toThrow(/events were expected, and it threw: there are only 0/);
    expect(() => expectation.then(RangeError)).toThrow(/another error was expected than NotEnough: there are only 0/);
    expect(() => expectation.then('many')).toThrow(AssertionError);
    expect(() => expectation.then(new NotEnough('another'))).toThrow(AssertionError);
  });

  it('compares metadata only where something is expected of it', () => {
    const expectation = given(cart).when((_, record) => {
      record('cart.item-added', { sku: 'tea', n: 1 }, { metadata: { user: 'Ada' } });
    });
    const added = { type: 'cart.item-added', data: { sku: 'tea', n: 1 } } as const;

    expectation.then([added]);
    expectation.then([{ ...added, metadata: { user: 'Ada' } }]);
    expect(() => expectation.then([{ ...added, metadata: { user: 'Bob' } }])).toThrow(AssertionError);
  });

  it('takes what was read from a store as the past', async () => {
    const past = given(Account, []).when((account) => account.open('Ada'));

    past.then([opened]);
    await expect(
      Promise.resolve().then(() => given(Account, [{ type: 'account.melted', data: null } as never]).when(() => 1)),
    ).rejects.toThrow(/no method of Account applies "account.melted"/);
  });

  it('refuses data that JSON cannot hold, as update does', () => {
    given(Account, [opened])
      .when((account) => account.deposit(NaN))
      .then(/events\[0\]\.data\.amount/);
  });

  it('says so when somebody awaits it and forgets to expect something', async () => {
    const forgotten = given(Account, [opened]).when((account) => account.close());

    // The compiler refuses to await it.
    expect(await rejectionOf(Promise.resolve(forgotten as unknown))).toMatchObject({ field: 'when' });
  });

  it('knows at compile time which events there are', () => {
    // @ts-expect-error -- no such type
    expect(() => given(Account, [{ type: 'account.melted', data: { amount: 1 } }]).when(() => 1)).toThrow();
    // @ts-expect-error -- another datum
    given(Account, [{ type: 'account.deposited', data: { euros: 1 } }]);
  });
});
