import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ConsumerOptions,
  createEvent,
  type EventStore,
  NO_STREAM,
  openEventStore,
  START,
  type StreamEventContext,
} from 'nestjs-stream-store';
import { postgresEngine, type PostgresTransaction } from 'nestjs-stream-store/postgres';
import type { Consumer } from '../../lib/consumer/consumer.js';
import { createConsumer } from '../../lib/consumer/create-consumer.js';
import { checkConsumerOptions } from '../../lib/consumer/consumer-options.js';
import { DeadLetterStore } from '../../lib/consumer/dead-letters/dead-letter-store.js';
import { compiledApp } from '../support/processes/child-app.js';
import { rejectionOf } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { Random } from '../support/worlds/random.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';
import { eventOf, HandlingWorld, ordersOf, upTo } from './fixtures/handling-world.js';
import { lettersIn } from '../support/letters-in.js';

const KILLS = scaled(10);
const STREAMS = 10;

const { server, openStore } = usePostgres();

let app: string;
beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/handling-app.ts'));
}, 60_000);

type Handle = (
  name: string,
  insert: () => Promise<unknown>,
  transaction: PostgresTransaction,
  context: StreamEventContext,
) => Promise<unknown>;

interface Bench {
  readonly store: EventStore;
  readonly consumer: Consumer;
  readonly deadLetters: DeadLetterStore;
  readonly close: () => Promise<void>;
  readonly append: (...names: string[]) => Promise<void>;
  readonly rows: () => Promise<unknown[]>;
}

/** A handler with transactions, beside a table of the application's whose keys are names of events. */
async function openBench(handle: Handle, options: ConsumerOptions = {}, key = 'PRIMARY KEY'): Promise<Bench> {
  const schema = server().newSchema();
  const logger = { warn: () => undefined, error: () => undefined };
  const store = await openEventStore({ logger, engine: postgresEngine({ connectionString: server().url, schema }) });
  const table = `"${schema}".bills`;
  await server().run(`CREATE TABLE ${table} (name text ${key})`);
  const deadLetters = new DeadLetterStore(store);
  const consumer = createConsumer({
    name: 'billing',
    store,
    target: { all: true },
    from: START,
    options: checkConsumerOptions({ durable: 'billing', transaction: true, ...options }),
    deadLetters,
    handle: ({ data: name }, context) => {
      const transaction = context.transaction as PostgresTransaction;
      const insert = () => transaction.query(`INSERT INTO ${table} VALUES ($1)`, [name]);
      return handle(name as string, insert, transaction, context);
    },
  });
  await consumer.open();
  consumer.start();
  return {
    store,
    consumer,
    deadLetters,
    close: async () => {
      await consumer.stop();
      await store.close();
    },
    append: async (...names) => {
      for (const name of names) await store.append('bills', { type: 'made', data: name });
    },
    rows: async () => (await server().run(`SELECT name FROM ${table} ORDER BY name`)).map(({ name }) => name),
  };
}

describe('a handler with a transaction', () => {
  it('writes in it, and reads what it has written', async () => {
    const seen: unknown[] = [];
    const { append, consumer, close, rows } = await openBench(async (_name, insert, transaction) => {
      expect(await insert()).toMatchObject({ rowCount: 1 });
      const { rows } = await transaction.query<{ answer: number }>('SELECT $1::int AS answer', [42]);
      seen.push(rows[0].answer);
    });

    await append('a', 'b');
    await consumer.settled();

    expect(seen).toEqual([42, 42]);
    expect(await rows()).toEqual(['a', 'b']);
    await close();
  });

  it('leaves nothing when it throws, nor when the event becomes a dead letter', async () => {
    const { append, consumer, close, rows, deadLetters } = await openBench(
      async (name, insert, _transaction, { attempt }) => {
        await insert();
        if (name === 'a' && attempt === 1) throw new Error('not yet');
        if (name === 'b') throw new Error('never');
      },
      { retry: { attempts: 3, initialDelayMs: 1 } },
    );

    await append('a', 'b', 'c');
    await consumer.settled();

    expect(await rows()).toEqual(['a', 'c']);
    expect((await lettersIn(deadLetters)).map(({ event, attempts }) => [event.data, attempts])).toEqual([['b', 3]]);
    await close();
  });

  it('fails when it swallows that a statement has failed, and works with a savepoint', async () => {
    const { append, consumer, close, rows, deadLetters } = await openBench(
      async (name, insert, transaction) => {
        await insert();
        if (name === 'saved') await transaction.query('SAVEPOINT before');
        await insert().catch(() => undefined);
        if (name === 'saved') await transaction.query('ROLLBACK TO before');
      },
      { retry: { attempts: 2, initialDelayMs: 1 } },
    );

    await append('swallowed', 'saved');
    await consumer.settled();

    expect(await rows()).toEqual(['saved']);
    expect((await lettersIn(deadLetters)).map(({ event }) => event.data)).toEqual(['swallowed']);
    await close();
  });

  it('fails when the commit is refused', async () => {
    const { append, consumer, close, rows, deadLetters } = await openBench(
      async (name, insert) => {
        await insert();
        if (name === 'twice') await insert();
      },
      { retry: { attempts: 2, initialDelayMs: 1 } },
      'UNIQUE DEFERRABLE INITIALLY DEFERRED',
    );

    await append('twice', 'once');
    await consumer.settled();

    expect(await rows()).toEqual(['once']);
    expect((await lettersIn(deadLetters)).map(({ event }) => event.data)).toEqual(['twice']);
    await close();
  });

  it('is not waited for when a statement takes longer than the attempt may', async () => {
    const begunAt = Date.now();
    const { append, consumer, close, rows } = await openBench(
      async (_name, insert, transaction, { attempt }) => {
        await insert();
        if (attempt === 1) await transaction.query('SELECT pg_sleep(60)');
      },
      { timeoutMs: 300, retry: { attempts: 2, initialDelayMs: 1 } },
      '',
    );

    await append('a');
    await consumer.settled();

    expect(await rows()).toEqual(['a']);
    expect(Date.now() - begunAt).toBeLessThan(30_000);
    await close();
  });

  describe.each([
    ['and fails with it', (query: Promise<unknown>) => query],
    ['and swallows it', (query: Promise<unknown>) => query.catch(() => undefined)],
  ])('that loses its connection at work %s', (_what, meet) => {
    it.each([
      [1, ['lost', 'other'], []],
      [Infinity, ['other'], [['lost', 3]]],
    ])('%d times has attempts that count, and nothing twice or lost', async (times, kept, letters) => {
      const attempts: number[] = [];
      const { append, consumer, close, rows, deadLetters } = await openBench(
        async (name, insert, transaction, { attempt }) => {
          await insert();
          if (name !== 'lost') return;
          attempts.push(attempt);
          if (attempts.length > times) return;
          const { rows } = await transaction.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
          await server().run('SELECT pg_terminate_backend($1)', [rows[0].pid]);
          await meet(transaction.query('SELECT 1'));
        },
        { retry: { attempts: 3, initialDelayMs: 1, maxDelayMs: 5 } },
      );

      await append('lost', 'other');
      await consumer.settled();

      expect(attempts).toEqual(times === 1 ? [1, 2] : [1, 2, 3]);
      expect(await rows()).toEqual(kept);
      expect((await lettersIn(deadLetters)).map(({ event, attempts }) => [event.data, attempts])).toEqual(letters);
      await close();
    });
  });

  it('that loses its connection in a commit does it again, and once', async () => {
    let calls = 0;
    const { append, consumer, close, rows, deadLetters } = await openBench(
      async (name, insert, transaction) => {
        await insert();
        if (name !== 'lost' || ++calls > 2) return;
        // At the end of the transaction, before it is kept, the server ends the connection.
        await transaction.query(`
          CREATE FUNCTION pg_temp.cut() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'`);
        await transaction.query('CREATE TEMP TABLE cutting (n int)');
        await transaction.query(`
          CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON cutting DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION pg_temp.cut()`);
        await transaction.query('INSERT INTO cutting VALUES (1)');
      },
      { retry: { attempts: 5, initialDelayMs: 1, maxDelayMs: 5 } },
    );

    await append('lost', 'other');
    await eventually('both', async () => (await rows()).length === 2);
    await consumer.settled();

    expect([calls, await rows()]).toEqual([3, ['lost', 'other']]);
    expect(await lettersIn(deadLetters)).toEqual([]);
    await close();
  });

  it('is refused what it writes after its attempt', async () => {
    let late: (() => Promise<unknown>) | undefined;
    const { append, consumer, close, rows } = await openBench(async (_name, insert) => {
      late = insert;
    });

    await append('a');
    await consumer.settled();

    expect(await rejectionOf(late!())).toMatchObject({ message: expect.stringContaining('is over') });
    expect(await rows()).toEqual([]);
    await close();
  });

  const restartable = process.env.PG_URL === undefined ? it : it.skip;

  restartable(
    'has done everything once when the server was ended in between',
    async () => {
      const retry = { attempts: 50, maxDelayMs: 200 };
      const { store, consumer, close, rows } = await openBench((_name, insert) => insert(), { retry }, '');
      const names = Array.from({ length: 200 }, (_, index) => `bill-${1_000 + index}`);
      const append = (name: string) =>
        store.append(name, createEvent('made', name, { id: name }), { expectedRevision: NO_STREAM }).then(
          () => true,
          () => false,
        );
      const appending = (async () => {
        for (const name of names) await eventually('the append', () => append(name));
      })();
      for (const many of [20, 60, 100]) {
        await eventually('some rows', async () => (await rows()).length >= many);
        await server().restart();
      }
      await appending;
      await eventually('all rows', async () => (await rows()).length >= names.length);
      await consumer.settled();

      expect(await rows()).toEqual(names);
      await close();
    },
    90_000,
  );
});

describe('the rows of a handler with transactions are there once', () => {
  it.each([
    ['in one process at a time', { concurrency: 4 }],
    ['spread over partitions', { concurrency: 2, partitions: 3 }],
  ])(
    `when its processes are killed ${KILLS} times: %s`,
    async (_how, options) => {
      const retry = { attempts: 5, initialDelayMs: 1 };
      const world = await HandlingWorld.open(app, server(), openStore, { transaction: true, retry, ...options });
      const random = new Random(11);
      const children = upTo(3).map((number) => world.start(`p${number}`));
      let rounds = 0;
      let isOver = false;
      const appending = (async () => {
        for (; !isOver; rounds++) {
          await world.append(STREAMS, 1, random.pick([null, null, 'fails first']));
          await eventually('room', async () => (await world.handled()).length > rounds * STREAMS - 40);
        }
      })();

      for (let kill = 1; kill <= KILLS; kill++) {
        const goal = (await world.handled()).length + random.below(60);
        await eventually('some work', async () => (await world.handled()).length >= goal);
        const child = await children.splice(random.below(3), 1)[0];
        child.kill('SIGKILL');
        children.push(world.start(`p${kill + 3}`));
      }
      isOver = true;
      await Promise.all([appending, ...children]);
      await eventually('all', async () => (await world.handled()).length >= rounds * STREAMS);

      const handled = await world.handled();
      expect(handled.map(eventOf).sort()).toEqual([...new Set(handled.map(eventOf))].sort());
      expect(ordersOf(handled)).toEqual(Array.from({ length: STREAMS }, () => upTo(rounds)));
    },
    scaledTimeLimit(180_000),
  );

  it('when a process that was stopped goes on after another has taken over', async () => {
    const world = await HandlingWorld.open(app, server(), openStore, { transaction: true });
    const a = await world.start('a');
    await world.append(1);
    await a.said('wrote order-0/1');
    await world.append(1, 1, 'slow');
    await a.said('wrote order-0/2');

    a.kill('SIGSTOP');
    const b = await world.start('b');
    await world.append(1);
    await b.said('wrote order-0/3');
    a.kill('SIGCONT');
    await world.append(1);
    await b.said('wrote order-0/4');
    await eventually('all', async () => (await world.handled()).length >= 4);

    const handled = await world.handled();
    expect(handled.map(({ position, name }) => `${position} ${name}`)).toEqual(['1 a', '2 b', '3 b', '4 b']);
  }, 60_000);
});
