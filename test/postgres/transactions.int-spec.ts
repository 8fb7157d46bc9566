import { expect, it } from '@jest/globals';
import type { Checkpoint, EngineTransaction } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import type pg from 'pg';
import { rejectionOf } from '../support/events.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { openBareEngine } from './fixtures/bare-engine.js';

const { server } = usePostgres();

const CHECKPOINT: Checkpoint = { position: 7, ahead: [], attempts: [], parked: [], isRunning: true };

async function openWithTable() {
  const schema = server().newSchema();
  const engine = await openBareEngine(postgresEngine({ connectionString: server().url, schema }));
  const table = `"${schema}".bills`;
  await server().run(`CREATE TABLE ${table} (id int PRIMARY KEY)`);
  const bills = async () => (await server().run(`SELECT id FROM ${table} ORDER BY id`)).map(({ id }) => id);
  const insert = ({ client }: EngineTransaction, id: number) =>
    (client as pg.PoolClient).query(`INSERT INTO ${table} VALUES ($1)`, [id]);
  return { engine, bills, insert };
}

it('keeps what the work writes together with its checkpoint', async () => {
  const { engine, bills, insert } = await openWithTable();

  const answer = await engine.transact!(async (transaction) => {
    await insert(transaction, 1);
    await transaction.saveCheckpoint('billing', CHECKPOINT);
    expect(await bills()).toEqual([]);
    return 'done';
  });

  expect(answer).toBe('done');
  expect(await bills()).toEqual([1]);
  expect(await engine.loadCheckpoint('billing')).toEqual(CHECKPOINT);
  await engine.close();
});

it('keeps neither when the work fails, and gives back what it failed with', async () => {
  const { engine, bills, insert } = await openWithTable();
  const failure = new Error('no bill today');

  const error = await rejectionOf(
    engine.transact!(async (transaction) => {
      await insert(transaction, 1);
      await transaction.saveCheckpoint('billing', CHECKPOINT);
      throw failure;
    }),
  );

  expect(error).toBe(failure);
  expect(await bills()).toEqual([]);
  expect(await engine.loadCheckpoint('billing')).toBeUndefined();
  await engine.close();
});

it('gives the error of a statement as the driver gave it', async () => {
  const { engine, insert } = await openWithTable();
  await engine.transact!((transaction) => insert(transaction, 1));

  const error = await rejectionOf(engine.transact!((transaction) => insert(transaction, 1)));

  expect(error).toMatchObject({ code: '23505' });
  await engine.close();
});

it('does not call it kept when the work swallowed the failure of a statement', async () => {
  const { engine, bills, insert } = await openWithTable();
  await engine.transact!((transaction) => insert(transaction, 1));

  const error = await rejectionOf(
    engine.transact!(async (transaction) => {
      await insert(transaction, 2);
      await insert(transaction, 1).catch(() => undefined);
    }),
  );

  expect(error).toMatchObject({ code: 'STORAGE_FAILED' });
  expect(await bills()).toEqual([1]);
  await engine.close();
});

it('leaves connections for what is called within', async () => {
  const schema = server().newSchema();
  const options = { connectionString: server().url, schema, maxConnections: 3 };
  const engine = await openBareEngine(postgresEngine(options));
  const event = { id: undefined, type: 't', data: '1', metadata: '', timestamp: undefined };

  await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      engine.transact!(async () => {
        await engine.append({ streamId: 'a', events: [event], expectedRevision: 'any', recordedSince: -Infinity });
        await engine.saveCheckpoint(`c-${index}`, CHECKPOINT);
      }),
    ),
  );

  expect(await engine.listCheckpoints()).toHaveLength(10);
  await engine.close();
});

it('gives the connection back in any case', async () => {
  const { engine, insert } = await openWithTable();
  for (let round = 0; round < 15; round++) {
    await engine.transact!((transaction) => insert(transaction, round % 2)).catch(() => undefined);
  }

  expect(await engine.loadCheckpoint('billing')).toBeUndefined();
  await engine.close();
});
