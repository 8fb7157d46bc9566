import { describe, expect, it } from '@jest/globals';
import { type EventStore, StorageUnavailableError } from 'nestjs-stream-store';
import pg from 'pg';
import { numbered, rejectionOf } from '../support/events.js';
import { usePostgres } from '../support/engines/postgres-stores.js';

const { server, openStore } = usePostgres();

/** Opens a store whose log somebody else has locked. */
async function openLocked(): Promise<{
  readonly store: EventStore;
  readonly free: () => Promise<void>;
}> {
  const schema = server().newSchema();
  const store = await openStore({ schema }, { retentionDuration: 1_000 });
  await store.append('orders', numbered(1, 1));
  const other = new pg.Client(server().url);
  await other.connect();
  await other.query('SELECT pg_advisory_lock(hashtextextended($1, 5748139))', [`"${schema}"`]);
  return { store, free: () => other.end() };
}

describe('while another session keeps the lock of the log', () => {
  it('an append is refused after a few seconds, and surely not kept', async () => {
    const { store, free } = await openLocked();

    const error = await rejectionOf(store.append('orders', numbered(2, 2), { expectedRevision: 1 }));

    expect(error).toBeInstanceOf(StorageUnavailableError);
    expect(error).toMatchObject({ isOutcomeUnknown: false, message: expect.stringContaining('nothing was changed') });
    await free();
    expect(await store.append('orders', numbered(3, 3), { expectedRevision: 1 })).toMatchObject({ revision: 2 });
  }, 20_000);

  it('an append that got it in time is kept', async () => {
    const { store, free } = await openLocked();

    const append = store.append('orders', numbered(2, 2));
    await server().run('SELECT pg_sleep(0.1)');
    await free();

    expect(await append).toMatchObject({ revision: 2 });
  }, 20_000);
});
