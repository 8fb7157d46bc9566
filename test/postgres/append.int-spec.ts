import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NO_STREAM, WrongExpectedRevisionError } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { type PostgresServer, startPostgres } from '../support/postgres-server.js';

let server: PostgresServer;
beforeAll(async () => void (server = await startPostgres({ fsync: 'off' })), 60_000);
afterAll(() => server.stop());

const openStore = (schema = server.newSchema()) =>
  openTestStore({
    engine: postgresEngine({ connectionString: server.url, schema }),
    logger: { warn: () => undefined, error: console.error },
  });

describe('appends of callers that share a commit', () => {
  it('give each its own outcome', async () => {
    const store = await openStore();

    const [first, refused, retried] = await Promise.allSettled([
      store.append('orders', numbered(1, 2), { expectedRevision: NO_STREAM }),
      store.append('orders', numbered(3, 3), { expectedRevision: 7 }),
      store.append('bills', numbered(4, 4)),
    ]);

    expect(first).toMatchObject({ value: { firstPosition: 1, revision: 2, globalPosition: 2 } });
    expect(refused).toMatchObject({ reason: { code: 'WRONG_EXPECTED_REVISION', actual: 2 } });
    expect(retried).toMatchObject({ value: { firstPosition: 1, globalPosition: 3 } });
    expect(dataOf(await store.readStream('orders'))).toEqual([1, 2]);
    expect(dataOf((await store.readAll()).events)).toEqual([1, 2, 4]);
    expect(await rejectionOf(store.append('orders', [], { expectedRevision: 9 }))).toBeInstanceOf(
      WrongExpectedRevisionError,
    );
  });
});
