import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventStore } from 'nestjs-stream-store';
import { type Aggregates, aggregatesOf } from 'nestjs-stream-store/event-sourcing';
import { PLACES } from '../example/places.js';
import { openTestStore } from '../support/open-test-store.js';
import { type PostgresServer, startPostgres } from '../support/engines/postgres-server.js';
import { Random } from '../support/worlds/random.js';
import { scaled } from '../support/scale.js';
import { Account, NotEnough } from './account.js';

const CALLERS = 16;
const logger = { warn: () => undefined, error: (text: string) => console.error(text) };

let server: PostgresServer;
beforeAll(async () => void (server = await startPostgres({ fsync: 'off' })), 120_000);
afterAll(() => server.stop(), 60_000);

/** What the callers have been told. */
interface Told {
  deposited: number;
  withdrawn: number;
  /** How many acts have thrown. */
  refused: number;
  acts: number;
  readonly commands: Map<string, number>;
}

/** Deposits and withdraws, sends every command twice, and notes what it was told. */
async function call(accounts: Aggregates<Account>, caller: number, rounds: number, told: Told): Promise<void> {
  const random = new Random(caller + 1);
  for (let round = 0; round < rounds; round++) {
    const id = String(random.below(3));
    const commandId = `${caller}-${round}`;
    const amount = 1 + random.below(9);
    const isDeposit = random.below(2) === 0;
    const act = (account: Account): void => {
      told.acts++;
      if (isDeposit) account.deposit(amount);
      else account.withdraw(amount);
    };
    const send = () => accounts.update(id, act, { commandId, attempts: 100 });
    // The second one may overtake the first.
    const answers = await Promise.allSettled([send(), ...(random.below(3) === 0 ? [send()] : [])]);
    for (const answer of answers) {
      if (answer.status === 'fulfilled') continue;
      if (!(answer.reason instanceof NotEnough)) throw answer.reason;
      told.refused++;
    }
    const done = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    if (done.length === 0) continue;
    for (const { revision } of done) expect(revision).toBe(done[0].revision);
    told.commands.set(commandId, done[0].revision);
    told[isDeposit ? 'deposited' : 'withdrawn'] += amount;
  }
}

async function race(accountsOf: readonly Aggregates<Account>[], rounds: number): Promise<Told> {
  const told: Told = { deposited: 0, withdrawn: 0, refused: 0, acts: 0, commands: new Map() };
  const callers = Array.from({ length: CALLERS }, (_, caller) =>
    call(accountsOf[caller % accountsOf.length], caller, rounds, told),
  );
  await Promise.all(callers);
  return told;
}

async function expectNothingLost(store: EventStore, told: Told): Promise<void> {
  const fresh = aggregatesOf(store, Account);
  let balance = 0;
  let events = 0;
  for (const id of ['0', '1', '2']) {
    const account = await fresh.find(id);
    if (!account) continue;
    balance += account.state.balance;
    events += account.revision;
    expect(account.state.movements).toHaveLength(account.revision);
    expect(account.state.balance).toBeGreaterThanOrEqual(0);
  }
  expect(balance).toBe(told.deposited - told.withdrawn);
  expect(events).toBe(told.commands.size);
}

describe.each(PLACES)('16 callers of three accounts, %s', (_, newPlace) => {
  it('lose no update and do no command twice, and have no conflicts in one process', async () => {
    const engine = newPlace(server);
    const store = await openTestStore({ engine: engine(), logger });

    const told = await race([aggregatesOf(store, Account)], scaled(60, 6));

    await expectNothingLost(store, told);
    expect(told.acts).toBe(told.commands.size + told.refused);
  });

  it('lose no update and do no command twice through four repositories', async () => {
    const engine = newPlace(server);
    const isShared = engine().name === 'memory';
    const stores = [await openTestStore({ engine: engine(), logger })];
    while (!isShared && stores.length < 4) stores.push(await openTestStore({ engine: engine(), logger }));
    const repositories = Array.from({ length: 4 }, (_each, index) =>
      aggregatesOf(stores[index % stores.length], Account),
    );

    const told = await race(repositories, scaled(40, 4));

    await expectNothingLost(stores[0], told);
  });
});
