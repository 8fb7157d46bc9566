import { Aggregate, AggregateRoot, Apply, decider } from 'nestjs-stream-store/event-sourcing';

/** What happens to an account, in cents. */
export interface AccountEvents {
  'account.opened': { owner: string };
  'account.deposited': { amount: number };
  'account.withdrawn': { amount: number };
  'account.closed': undefined;
}

export class NotEnough extends Error {}

@Aggregate('account', { snapshot: { every: 10, version: 2 } })
export class Account extends AggregateRoot<AccountEvents> {
  owner?: string;
  balance = 0;
  isOpen = false;
  readonly movements: number[] = [];

  open(owner: string): void {
    this.record('account.opened', { owner });
  }

  deposit(amount: number): void {
    this.record('account.deposited', { amount });
  }

  withdraw(amount: number): void {
    if (amount > this.balance) throw new NotEnough(`there are only ${this.balance}`);
    this.record('account.withdrawn', { amount });
  }

  close(): void {
    this.record('account.closed');
  }

  @Apply('account.opened')
  protected onOpened({ owner }: AccountEvents['account.opened']): void {
    this.owner = owner;
    this.isOpen = true;
  }

  @Apply('account.deposited')
  protected onDeposited({ amount }: AccountEvents['account.deposited']): void {
    this.balance += amount;
    this.movements.push(amount);
  }

  @Apply('account.withdrawn')
  protected onWithdrawn({ amount }: AccountEvents['account.withdrawn']): void {
    this.balance -= amount;
    this.movements.push(-amount);
  }

  @Apply('account.closed')
  protected onClosed(): void {
    this.isOpen = false;
  }
}

export interface CartEvents {
  'cart.item-added': { sku: string; n: number };
  'cart.checked-out': { at: string };
}

export interface Cart {
  readonly items: Readonly<Record<string, number>>;
  readonly open: boolean;
}

export const cart = decider<Cart, CartEvents>('cart', {
  initial: () => ({ items: {}, open: true }),
  evolve: {
    'cart.item-added': (state, { sku, n }) => ({ ...state, items: { ...state.items, [sku]: n } }),
    'cart.checked-out': (state) => ({ ...state, open: false }),
  },
});
