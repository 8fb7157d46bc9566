import { expect, it } from '@jest/globals';
import {
  createEvent,
  type DataOf,
  defineEvents,
  eventType,
  openEventStore,
  type StandardSchemaV1,
} from 'nestjs-stream-store';
import { Aggregate, AggregateRoot, aggregatesOf, Apply, decider } from 'nestjs-stream-store/event-sourcing';
import { z } from 'zod';
import { engineOn, newFile } from '../sqlite/sqlite-files.js';
import { rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';

/** Takes a text or a number, and refuses what it has answered itself if it is asked twice. */
const asked: unknown[] = [];
const cents: StandardSchemaV1<{ euros: string }, { cents: number }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      asked.push(value);
      const { euros } = value as { euros?: unknown };
      if (typeof euros !== 'string') return { issues: [{ message: 'give a text', path: ['euros'] }] };
      return { value: { cents: Number(euros) * 100 } };
    },
  },
};

const accountEvents = defineEvents({
  'account.deposited': eventType(cents, {
    version: 2,
    upcasts: { 1: (amount: number) => ({ cents: amount }) },
    aliases: ['Deposited'],
  }),
  'account.named': z.object({ name: z.string().default('nobody') }),
});
type Data = DataOf<typeof accountEvents>;

@Aggregate('account')
class Account extends AggregateRoot<typeof accountEvents> {
  cents = 0;
  name = '';

  deposit(euros: string): void {
    this.record('account.deposited', { euros });
  }

  @Apply('account.deposited')
  protected onDeposited(data: Data['account.deposited']): void {
    this.cents += data.cents;
  }

  @Apply('account.named')
  protected onNamed({ name }: Data['account.named']): void {
    this.name = name;
  }
}

const account = decider<{ readonly cents: number; readonly name: string }, typeof accountEvents>('account', {
  initial: () => ({ cents: 0, name: '' }),
  evolve: {
    'account.deposited': (state, data) => ({ ...state, cents: state.cents + data.cents }),
    'account.named': (state, { name }) => ({ ...state, name }),
  },
});

it('what is recorded is checked once, and applied as a reader gets it', async () => {
  const store = await openTestStore({ events: [accountEvents] });
  const accounts = aggregatesOf(store, Account);
  asked.length = 0;

  const { state, events } = await accounts.update('7', (each) => {
    each.deposit('2');
    expect(each.cents).toBe(200);
    each.record('account.named', {});
  });

  expect([asked.length, state.cents, state.name]).toEqual([1, 200, 'nobody']);
  expect(events.map(({ data, schemaVersion }) => [data, schemaVersion])).toEqual([
    [{ cents: 200 }, 2],
    [{ name: 'nobody' }, 1],
  ]);
  expect((await aggregatesOf(store, Account).get('7')).state).toEqual(state);
});

it('what the schema refuses rejects with its place, and nothing is kept', async () => {
  const store = await openTestStore({ events: [accountEvents] });
  const accounts = aggregatesOf(store, account);

  const error = await rejectionOf(
    accounts.update('7', (_state, record) => {
      record('account.deposited', { euros: '1' });
      record('account.deposited', { euros: 1 as never });
    }),
  );

  expect(error).toMatchObject({ code: 'VALIDATION_FAILED', field: 'events[1].data.euros' });
  expect(await accounts.exists('7')).toBe(false);
});

it('a state is made of events of earlier releases as of new ones', async () => {
  const file = newFile();
  const before = await openEventStore({ engine: engineOn(file) });
  await before.append('account-7', createEvent('Deposited', 50));
  await before.close();
  const store = await openTestStore({ engine: engineOn(file), events: [accountEvents] });

  const { state } = await aggregatesOf(store, account).update('7', ({ cents: had }, record) => {
    record('account.deposited', { euros: String(had / 100) });
  });

  expect(state.cents).toBe(100);
});

it('an event that cannot be brought into its present shape rejects the load, and is not passed over', async () => {
  const file = newFile();
  const before = await openEventStore({ engine: engineOn(file) });
  await before.append('account-7', createEvent('t', 50));
  await before.close();
  const broken = defineEvents({
    t: eventType({
      version: 2,
      upcasts: {
        1: () => {
          throw new Error('no');
        },
      },
    }),
  });
  const store = await openEventStore({ engine: engineOn(file), events: [broken] });
  const counts = decider<number, { t: unknown }>('account', { initial: () => 0, evolve: { t: (count) => count + 1 } });

  expect(await rejectionOf(aggregatesOf(store, counts).get('7'))).toMatchObject({ code: 'UPCAST_FAILED' });
  await store.close();
});

it('the compiler knows what may be recorded', () => {
  const never = () => {
    const root = new Account();
    // @ts-expect-error the schema takes text
    root.record('account.deposited', { euros: 1 });
    // @ts-expect-error there is no such type
    root.record('account.closed');
    decider<{ n: number }, typeof accountEvents>('account', {
      initial: () => ({ n: 0 }),
      // @ts-expect-error a reader gets cents
      evolve: { 'account.deposited': (state, { euros }) => ({ n: state.n + Number(euros) }) },
    });
  };
  expect(never).toBeDefined();
});
