import { afterEach, expect, it } from '@jest/globals';
import { END, StorageUnavailableError } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { ManualClock } from 'nestjs-stream-store/testing';
import pg from 'pg';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { openBareEngine } from './fixtures/bare-engine.js';

const { server, openStore } = usePostgres();

/**
 * Lets connections that are there only read, and new ones write: as after a failover behind a name, when the old primary
 * keeps its connections. What is set for a role counts when a connection is made, and comes before the server's.
 */
async function demote(newConnectionsMayWrite = true): Promise<void> {
  await server().run(
    `ALTER ROLE CURRENT_USER SET default_transaction_read_only = ${newConnectionsMayWrite ? 'off' : 'on'}`,
  );
  await server().run('ALTER SYSTEM SET default_transaction_read_only = on');
  await server().run('SELECT pg_reload_conf()');
}

async function promote(): Promise<void> {
  const client = new pg.Client(`${server().url}?options=-c%20default_transaction_read_only%3Doff`);
  await client.connect();
  await client.query('ALTER SYSTEM RESET default_transaction_read_only');
  await client.query('ALTER ROLE CURRENT_USER RESET default_transaction_read_only');
  await client.query('SELECT pg_reload_conf()');
  await client.end();
}

afterEach(promote);

/** Waits until a connection that was there before notices. */
const noticed = async (client: pg.Client): Promise<void> =>
  eventually('the new settings', async () => {
    const { rows } = await client.query<{ transaction_read_only: string }>('SHOW transaction_read_only');
    return rows[0].transaction_read_only === 'on';
  });

async function before(): Promise<pg.Client> {
  const client = new pg.Client(server().url);
  await client.connect();
  return client;
}

it('all connections to a server that may only read are given up with the first refusal', async () => {
  const old = await before();
  const pool = new pg.Pool({ connectionString: server().url, max: 8 });
  pool.on('error', () => undefined);
  const store = await openStore({ pool });
  await Promise.all(Array.from({ length: 6 }, (_, n) => store.readStream(`s-${n}`).catch(() => undefined)));
  await store.append('a', numbered(1, 1));
  await demote();
  await noticed(old);

  const answers: unknown[] = [];
  for (let n = 2; n < 12; n++) {
    answers.push(
      await store.append('a', numbered(n, n)).then(
        () => 'kept',
        (error: StorageUnavailableError) => [
          error.code,
          error.isOutcomeUnknown,
          (error.cause as pg.DatabaseError).code,
        ],
      ),
    );
  }

  const refused = answers.filter((answer) => answer !== 'kept');
  expect(refused.length).toBeLessThanOrEqual(1);
  for (const refusal of refused) expect(refusal).toEqual(['STORAGE_UNAVAILABLE', false, '25006']);
  expect(await store.append('a', numbered(12, 12))).toMatchObject({ revision: 12 - refused.length });
  await store.close();
  await pool.end();
  await old.end();
});

it('a lease, a checkpoint or a transaction that is refused gives them up as well', async () => {
  const old = await before();
  const schema = server().newSchema();
  const engine = await openBareEngine(postgresEngine({ connectionString: server().url, schema, listen: false }));
  const checkpoint = { position: 1, ahead: [], attempts: [], parked: [], isRunning: true };
  const writes = [
    () => engine.acquireLease!({ name: 'billing', holder: 'me', durationMs: 60_000 }),
    () => engine.saveCheckpoint('billing', checkpoint),
    () =>
      engine.transact!(async ({ client }) => {
        await (client as pg.Client).query(`CREATE TABLE "${schema}".bills (id int)`);
        await (client as pg.Client).query(`DROP TABLE "${schema}".bills`);
      }),
  ];

  for (const write of writes) {
    await promote();
    await Promise.all(Array.from({ length: 4 }, async () => engine.loadCheckpoint('billing')));
    await demote();
    await noticed(old);
    const first = await Promise.resolve(write()).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (first !== undefined) await write();
  }

  await engine.close();
  await old.end();
});

it('nothing is read from a server that may only read, since it may be behind, or have what is lost', async () => {
  const store = await openStore({ listen: false });
  await store.append('a', numbered(1, 1));
  await demote(false);
  await eventually('the refusal', () =>
    store.append('a', numbered(2, 2)).then(
      () => false,
      () => true,
    ),
  );

  const error = await rejectionOf(store.readStream('a'));

  expect(error).toBeInstanceOf(StorageUnavailableError);
  expect((error as Error).message).toContain('it may only read');
  await promote();
  await eventually('the server', () =>
    store.readStream('a').then(
      () => true,
      () => false,
    ),
  );
});

it('a subscription goes on with the events of the new primary, also where nobody writes', async () => {
  const old = await before();
  const schema = server().newSchema();
  const clock = new ManualClock();
  const reading = await openStore({ schema }, { clock });
  const subscription = reading.subscribe({ all: true }, END);
  const reader = collect(subscription);
  await subscription.caughtUp();
  const listeners = async () =>
    (await server().run(`SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' || $1 || '%'`, [schema])).map(
      ({ pid }) => pid as number,
    );
  const [before1] = await listeners();
  await demote();
  await noticed(old);

  await eventually('another connection that listens', async () => {
    await clock.advance(15_000);
    const [pid] = await listeners();
    return pid !== undefined && pid !== before1;
  });

  const writing = await openStore({ schema });
  await writing.append('a', numbered(1, 1));
  await eventually('the event', () => reader.items.length === 1);
  expect(dataOf(reader.items)).toEqual([1]);
  await old.end();
});
