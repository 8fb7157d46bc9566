import {
  BadRequestException,
  ConflictException,
  NotFoundException,
  UnprocessableEntityException,
} from '@nestjs/common';
import { Aggregate, AggregateRoot, Apply } from 'nestjs-stream-store/event-sourcing';

/** What can happen to an account, and what is known of it then. */
export interface AccountEvents {
  'account.opened': { owner: string };
  'account.deposited': { cents: number };
  'account.withdrawn': { cents: number };
  'account.closed': undefined;
}

/**
 * A bank account. Its public methods decide: they look at the state, throw, or record what happens. Those with `@Apply` change
 * the state by what has happened, and decide nothing.
 */
@Aggregate('account', { snapshot: { every: 100 } })
export class Account extends AggregateRoot<AccountEvents> {
  owner?: string;
  cents = 0;
  isOpen = false;

  open(owner: string): void {
    if (!owner) throw new BadRequestException('An account needs an owner.');
    this.record('account.opened', { owner });
  }

  deposit(cents: number): void {
    this.#checkIsOpen();
    checkAmount(cents);
    this.record('account.deposited', { cents });
  }

  withdraw(cents: number): void {
    this.#checkIsOpen();
    checkAmount(cents);
    if (cents > this.cents) throw new UnprocessableEntityException(`There are only ${this.cents} cents.`);
    this.record('account.withdrawn', { cents });
  }

  close(): void {
    this.#checkIsOpen();
    if (this.cents > 0) throw new ConflictException(`There are still ${this.cents} cents.`);
    this.record('account.closed');
  }

  @Apply('account.opened')
  protected onOpened({ owner }: AccountEvents['account.opened']): void {
    this.owner = owner;
    this.isOpen = true;
  }

  @Apply('account.deposited')
  protected onDeposited({ cents }: AccountEvents['account.deposited']): void {
    this.cents += cents;
  }

  @Apply('account.withdrawn')
  protected onWithdrawn({ cents }: AccountEvents['account.withdrawn']): void {
    this.cents -= cents;
  }

  @Apply('account.closed')
  protected onClosed(): void {
    this.isOpen = false;
  }

  #checkIsOpen(): void {
    if (!this.isOpen) throw new NotFoundException('There is no such account, or it is closed.');
  }
}

function checkAmount(cents: number): void {
  if (!Number.isSafeInteger(cents) || cents < 1) throw new BadRequestException('Give an amount in cents, at least 1.');
}
