import { expect, it } from '@jest/globals';
import { END } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { ManualClock } from 'nestjs-stream-store/testing';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { startTransactionPooler } from '../support/engines/transaction-pooler.js';
import { openBareEngine } from './fixtures/bare-engine.js';

const { server, openStore } = usePostgres();

it('works behind a pooler that lends a connection for one transaction only', async () => {
  const pooler = await startTransactionPooler(server().url);
  const schema = server().newSchema();
  const behind = { connectionString: pooler.url, schema, listen: false };
  const stores = await Promise.all([openStore(behind), openStore(behind)]);

  for (let round = 0; round < 20; round++) {
    await Promise.all(
      stores.map(async (store, writer) => {
        await store.append(`s-${writer}`, numbered(round, round));
        await store.readStream(`s-${writer}`, round, { types: ['counted'] });
        await store.readAll({ from: round });
      }),
    );
  }

  for (const [writer, store] of stores.entries()) {
    expect(dataOf(await store.readStream(`s-${writer}`))).toEqual(Array.from({ length: 20 }, (_, round) => round));
    await store.close();
  }
  await pooler.close();
});

it('delivers there what another instance has appended, by looking every second', async () => {
  const pooler = await startTransactionPooler(server().url);
  const behind = { connectionString: pooler.url, schema: server().newSchema(), listen: false };
  const clock = new ManualClock();
  const [reading, writing] = await Promise.all([openStore(behind, { clock }), openStore(behind)]);
  const subscription = reading.subscribe({ all: true }, END);
  const reader = collect(subscription);
  await subscription.caughtUp();

  await writing.append('orders', numbered(1, 3));
  await eventually('the events', async () => {
    await clock.advance(1_000);
    return reader.items.length === 3;
  });

  expect(dataOf(reader.items)).toEqual([1, 2, 3]);
  await Promise.all([reading.close(), writing.close()]);
  await pooler.close();
});

it('keeps a transaction on one connection there', async () => {
  const pooler = await startTransactionPooler(server().url);
  const schema = server().newSchema();
  const engine = await openBareEngine(postgresEngine({ connectionString: pooler.url, schema, listen: false }));
  const checkpoint = { position: 1, ahead: [], attempts: [], parked: [], isRunning: true };
  const lease = (await engine.acquireLease!({ name: 'billing', holder: 'me', durationMs: 60_000 }))!;

  await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      engine.transact!(async (transaction) => {
        await transaction.saveCheckpoint(`c-${index}`, checkpoint, lease);
        if (index % 2 === 1) throw new Error('odd');
      }).catch(() => undefined),
    ),
  );

  expect((await engine.listCheckpoints()).map(({ name }) => name).sort()).toEqual(['c-0', 'c-2', 'c-4', 'c-6', 'c-8']);
  await engine.close();
  await pooler.close();
});
