import { describe, expect, it } from '@jest/globals';
import { openEventStore, StorageUnavailableError, ValidationError } from 'nestjs-stream-store';
import { postgresEngine, type PostgresPool } from 'nestjs-stream-store/postgres';
import pg from 'pg';
import { numbered, rejectionOf } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { usePostgres } from '../support/engines/postgres-stores.js';

const { server, openStore } = usePostgres();

const connections = async (): Promise<number> => {
  const [{ count }] = await server().run(
    `SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
  );
  return Number(count);
};

describe('a pool that was handed in', () => {
  it('serves several stores, and is left as it was', async () => {
    const pool = new pg.Pool({ connectionString: server().url, max: 5 });
    const typed: PostgresPool = pool;
    const [first, second] = [await openStore({ pool: typed }), await openStore({ pool })];
    await first.append('a', numbered(1, 1));
    await second.append('a', numbered(2, 2));

    await first.close();
    await second.close();

    expect(pool.listenerCount('error')).toBe(0);
    expect(pool.idleCount).toBe(pool.totalCount);
    expect((await pool.query<{ one: number }>('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    const client = await pool.connect();
    expect(['error', 'notification', 'end'].map((event) => client.listenerCount(event))).toEqual([0, 0, 0]);
    client.release();
    await pool.end();
  });

  it('may have parsers of its own for the types of PostgreSQL', async () => {
    const types = { getTypeParser: () => () => 'something else' };
    const pool = new pg.Pool({ connectionString: server().url, types: types as unknown as pg.CustomTypesConfig });
    const store = await openStore({ pool });

    await store.append('a', numbered(1, 3));

    expect((await store.readStream('a')).map(({ position }) => position)).toEqual([1, 2, 3]);
    await store.close();
    await pool.end();
  });
});

it('closes every connection of its own', async () => {
  const store = await openStore();
  await Promise.all([1, 2, 3, 4].map((number) => store.append(`s-${number}`, numbered(1, 1))));
  await Promise.all([1, 2, 3, 4].map((number) => store.readStream(`s-${number}`)));

  await store.close();

  await eventually('no connection', async () => (await connections()) === 0);
});

describe('a server that is not there', () => {
  const nowhere = 'postgres://nobody:nothing@127.0.0.1:1/none';

  it('is said to be unavailable, and nothing was kept', async () => {
    const error = await rejectionOf(openStore({ connectionString: nowhere }, { startTimeoutMs: 0 }));

    expect(error).toBeInstanceOf(StorageUnavailableError);
    expect(error).toMatchObject({ isOutcomeUnknown: false, cause: { code: 'ECONNREFUSED' } });
  });

  it('is waited for until it is there', async () => {
    let connectionString = nowhere;
    const warnings: string[] = [];
    let current = new pg.Pool({ connectionString });
    const late: PostgresPool = {
      connect: () => current.connect(),
      end: () => current.end(),
      on: (event, listener) => current.on(event, listener),
      removeListener: (event, listener) => current.removeListener(event, listener),
    };
    const logger = { warn: (text: string) => void warnings.push(text), error: () => undefined };
    const opening = openEventStore({ engine: postgresEngine({ pool: late, schema: server().newSchema() }), logger });
    await eventually('the warning', () => warnings.length > 0);
    connectionString = server().url;
    current = new pg.Pool({ connectionString });

    const store = await opening;

    expect(warnings.filter((text) => text.includes('waits for'))).toHaveLength(1);
    expect(await store.append('a', numbered(1, 1))).toMatchObject({ revision: 1 });
    await store.close();
    await current.end();
  });

  for (const [what, wrong] of [
    ['a wrong password', (url: string) => url.replace(':postgres@', ':wrong@')],
    ['a database that nobody has made', (url: string) => url.replace(/\/[^/]*$/, '/nothing')],
    ['a user that nobody has made', (url: string) => url.replace('//postgres:', '//nobody:')],
  ] as const) {
    it(`is not waited for with ${what}`, async () => {
      const error = await rejectionOf(openStore({ connectionString: wrong(server().url) }));

      expect(error).toMatchObject({ code: 'STORAGE_FAILED' });
    });
  }

  it('can be tried again with the same store', async () => {
    let connectionString = nowhere;
    const pool = () => new pg.Pool({ connectionString });
    // A pool that reaches the server from the second try on, as after a deployment in which the server came up last.
    let current = pool();
    const late: PostgresPool = {
      connect: () => current.connect(),
      end: () => current.end(),
      on: (event, listener) => current.on(event, listener),
      removeListener: (event, listener) => current.removeListener(event, listener),
    };
    const logger = { warn: () => undefined, error: () => undefined };
    const engine = postgresEngine({ pool: late, schema: server().newSchema() });
    await expect(openEventStore({ engine, logger, startTimeoutMs: 0 })).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
    });
    connectionString = server().url;
    current = pool();

    const store = await openEventStore({ engine, logger });

    expect(await store.append('a', numbered(1, 1))).toMatchObject({ revision: 1 });
    await store.close();
    await current.end();
  });
});

describe('an append', () => {
  /** Keeps appends waiting until it is released. */
  async function holdLog(schema: string) {
    const client = new pg.Client(server().url);
    await client.connect();
    await client.query(`BEGIN; SELECT "${schema}".lock_log()`);
    const waiting = async (): Promise<number | undefined> => {
      const rows = await server().run(
        `SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%' || $1 || '%'`,
        [schema],
      );
      return rows[0]?.pid as number | undefined;
    };
    return { waiting, release: () => client.end() };
  }

  it('whose connection is cut may have been kept, which its error says; the next one works', async () => {
    const schema = server().newSchema();
    const store = await openStore({ schema });
    const { waiting, release } = await holdLog(schema);
    const appending = rejectionOf(store.append('a', numbered(1, 1)));
    await eventually('the append', async () => (await waiting()) !== undefined);

    await server().run('SELECT pg_terminate_backend($1)', [await waiting()]);
    const error = await appending;
    await release();

    expect(error).toBeInstanceOf(StorageUnavailableError);
    expect(error).toMatchObject({ isOutcomeUnknown: true });
    expect((error as Error).message).toContain('repeat it with the same ids and expected revision');
    expect(await store.append('a', numbered(2, 2))).toMatchObject({ revision: 1 });
  });

  it('that the server cancels was not kept', async () => {
    const schema = server().newSchema();
    const store = await openStore({ schema });
    const { waiting, release } = await holdLog(schema);
    const appending = rejectionOf(store.append('a', numbered(1, 1)));
    await eventually('the append', async () => (await waiting()) !== undefined);

    await server().run('SELECT pg_cancel_backend($1)', [await waiting()]);
    const error = await appending;
    await release();

    expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE', isOutcomeUnknown: false, cause: { code: '57014' } });
    expect(await store.append('a', numbered(2, 2))).toMatchObject({ revision: 1 });
  });
});

describe('a database that cannot keep the promises', () => {
  it('is refused when it is not in UTF8', async () => {
    const database = server().newSchema();
    await server().run(`CREATE DATABASE ${database} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`);
    const url = server().url.replace(/\/[^/]*$/, `/${database}`);

    const error = await rejectionOf(openStore({ connectionString: url }));

    expect(error).toBeInstanceOf(ValidationError);
    expect((error as Error).message).toContain('LATIN1');
    await eventually('its end', () =>
      server()
        .run(`DROP DATABASE ${database}`)
        .then(
          () => true,
          () => false,
        ),
    );
  });

  it('is refused when transactions are serializable by default', async () => {
    const url = `${server().url}?options=-c%20default_transaction_isolation%3Dserializable`;

    const error = await rejectionOf(openStore({ connectionString: url }));

    expect(error).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect((error as Error).message).toContain('default_transaction_isolation is "serializable"');
  });

  it('is warned of when a loss of power can take what was acknowledged', async () => {
    const warnings: string[] = [];

    await openStore({}, { logger: { warn: (text) => void warnings.push(text), error: () => undefined } });

    expect(warnings).toEqual([expect.stringContaining('fsync is off')]);
  });
});

it('serves one store at a time', async () => {
  const engine = postgresEngine({ connectionString: server().url, schema: server().newSchema() });
  const logger = { warn: () => undefined, error: () => undefined };
  const store = await openEventStore({ engine, logger });

  await expect(openEventStore({ engine, logger })).rejects.toMatchObject({ field: 'engine' });

  await store.close();
  await (await openEventStore({ engine, logger })).close();
});
