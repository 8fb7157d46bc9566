import { NotFoundException, UnprocessableEntityException } from '@nestjs/common';
import { describe, it } from '@jest/globals';
import { given } from 'nestjs-stream-store/testing';
import { Account } from '../src/account.js';

const opened = { type: 'account.opened', data: { owner: 'Ada' } } as const;
const deposited = { type: 'account.deposited', data: { cents: 100 } } as const;

describe('an account', () => {
  it('pays what is there', () => {
    given(Account, [opened, deposited])
      .when((account) => account.withdraw(100))
      .then([{ type: 'account.withdrawn', data: { cents: 100 } }]);
  });

  it('pays no more than that', () => {
    given(Account, [opened, deposited])
      .when((account) => account.withdraw(101))
      .then(new UnprocessableEntityException('There are only 100 cents.'));
  });

  it('has to be opened first', () => {
    given(Account)
      .when((account) => account.deposit(1))
      .then(NotFoundException);
  });

  it('is closed only when it is empty', () => {
    given(Account, [opened])
      .when((account) => account.close())
      .then([{ type: 'account.closed' }]);
    given(Account, [opened, deposited])
      .when((account) => account.close())
      .then('There are still 100 cents.');
  });
});
