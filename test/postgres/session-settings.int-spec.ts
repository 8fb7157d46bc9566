import { describe, expect, it } from '@jest/globals';
import { type EventStore, ValidationError } from 'nestjs-stream-store';
import type { PostgresPool } from 'nestjs-stream-store/postgres';
import pg from 'pg';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { usePostgres } from '../support/engines/postgres-stores.js';

const { server, openStore } = usePostgres();

async function withPool(config: pg.PoolConfig, use: (pool: pg.Pool) => Promise<void>): Promise<void> {
  const pool = new pg.Pool({ connectionString: server().url, ...config });
  try {
    await use(pool);
  } finally {
    await pool.end();
  }
}

async function worksAsEver(store: EventStore): Promise<void> {
  await store.append('straße', [{ type: 'größer\\', data: { a: "'\\", b: null } }, ...numbered(2, 3)]);
  expect(dataOf(await store.readStream('straße'))).toEqual([{ a: "'\\", b: null }, 2, 3]);
  expect((await store.readTimeRange()).map(({ globalPosition }) => globalPosition)).toEqual([1, 2, 3]);
  expect((await store.getStreams()).map(({ streamId, eventCount }) => [streamId, eventCount])).toEqual([['straße', 3]]);
  expect(await store.stats()).toMatchObject({ totalEvents: 3, totalStreams: 1 });
}

describe('a pool whose answers would be read wrong is refused', () => {
  it('when it asks for binary answers', async () => {
    await withPool({ binary: true } as pg.PoolConfig, async (pool) => {
      const error = await rejectionOf(openStore({ pool }));

      expect(error).toBeInstanceOf(ValidationError);
      expect((error as ValidationError).message).toContain('binary');
    });
  });

  it('when it parses answers in its own way, as the native one does', async () => {
    await withPool({}, async (inner) => {
      const connect = async () => {
        const client = await inner.connect();
        const query = (config: pg.QueryConfig) => client.query({ ...config, types: undefined });
        return Object.create(client, { query: { value: query } }) as pg.PoolClient;
      };
      const pool = Object.create(inner, { connect: { value: connect } }) as unknown as PostgresPool;

      expect(await rejectionOf(openStore({ pool }))).toMatchObject({ field: 'postgresEngine.pool' });
    });
  });

  it('when it makes objects of rows', async () => {
    await withPool({}, async (inner) => {
      const connect = async () => {
        const client = await inner.connect();
        const query = (config: pg.QueryConfig) => client.query({ ...config, rowMode: undefined } as pg.QueryConfig);
        return Object.create(client, { query: { value: query } }) as pg.PoolClient;
      };
      const pool = Object.create(inner, { connect: { value: connect } }) as unknown as PostgresPool;

      expect(await rejectionOf(openStore({ pool }))).toMatchObject({ field: 'postgresEngine.pool' });
    });
  });
});

describe('a role or a pool is refused with', () => {
  for (const [setting, value] of [
    ['array_nulls', 'off'],
    ['default_transaction_isolation', 'serializable'],
    ['default_transaction_isolation', 'repeatable\\ read'],
    ['zero_damaged_pages', 'on'],
    ['ignore_checksum_failure', 'on'],
  ]) {
    it(`${setting} = ${value}`, async () => {
      const connectionString = `${server().url}?options=${encodeURIComponent(`-c ${setting}=${value}`)}`;

      const error = await rejectionOf(openStore({ connectionString }));

      expect(error).toBeInstanceOf(ValidationError);
      expect((error as Error).message).toContain(setting);
    });
  }

  it('a client_encoding that is not UTF8', async () => {
    await withPool({}, async (pool) => {
      pool.on('connect', (client) => void client.query("SET client_encoding = 'LATIN1'"));

      expect(await rejectionOf(openStore({ pool }))).toMatchObject({ code: 'VALIDATION_FAILED' });
    });
  });

  it('row level security that hides events', async () => {
    const schema = server().newSchema();
    await (await openStore({ schema })).append('a', numbered(1, 1));
    await server().run(`ALTER TABLE ${schema}.events ENABLE ROW LEVEL SECURITY`);
    await server().run(`CREATE ROLE "${schema}" LOGIN PASSWORD 'secret'`);
    await server().run(`GRANT USAGE ON SCHEMA ${schema} TO "${schema}"`);
    await server().run(`GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO "${schema}"`);
    const connectionString = server().url.replace('postgres:postgres@', `${schema}:secret@`);

    const error = await rejectionOf(openStore({ connectionString, schema }));

    expect(error).toBeInstanceOf(ValidationError);
    expect((error as Error).message).toContain('row level security hides rows of events');
  });

  it('a function of its own in the place of one of PostgreSQL', async () => {
    const schema = server().newSchema();
    await server().run(`CREATE SCHEMA ${schema}`);
    await server().run(
      `CREATE FUNCTION ${schema}.starts_with(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'`,
    );
    const options = encodeURIComponent(`-c search_path=${schema},pg_catalog`);

    const error = await rejectionOf(openStore({ connectionString: `${server().url}?options=${options}` }));

    expect(error).toBeInstanceOf(ValidationError);
    expect((error as Error).message).toContain('search_path');
    await server().run(`DROP SCHEMA ${schema} CASCADE`);
  });
});

describe('a server or a pooler is refused', () => {
  /** Says that it has locked, as some servers do that have no such lock. */
  const lockless = (inner: pg.Pool): PostgresPool => {
    const connect = async () => {
      const client = await inner.connect();
      const query = (config: pg.QueryConfig): Promise<unknown> =>
        config.text.includes('pg_try_advisory_xact_lock')
          ? Promise.resolve({ command: 'SELECT', rows: [['t']] })
          : client.query(config);
      return Object.create(client, { query: { value: query } }) as pg.PoolClient;
    };
    return Object.create(inner, { connect: { value: connect } }) as PostgresPool;
  };

  it('that gives a lock to two at once', async () => {
    await withPool({}, async (inner) => {
      const error = await rejectionOf(openStore({ pool: lockless(inner) }));

      expect(error).toBeInstanceOf(ValidationError);
      expect((error as Error).message).toContain('advisory lock');
    });
  });
});

describe('does no harm:', () => {
  for (const settings of [
    'standard_conforming_strings=off',
    'transform_null_equals=on',
    'search_path=nowhere',
    'search_path=public,pg_catalog',
    'bytea_output=escape',
    'extra_float_digits=-15',
    'session_replication_role=replica',
    'row_security=off',
    'timezone=Asia/Kathmandu',
    'datestyle=German',
    'plan_cache_mode=force_custom_plan',
    'client_min_messages=error',
    'lc_messages=C',
    'default_transaction_deferrable=on',
    'check_function_bodies=off',
    'quote_all_identifiers=on',
    'escape_string_warning=off',
    'backslash_quote=off',
  ]) {
    it(settings, async () => {
      const options = encodeURIComponent(`-c ${settings}`);

      await worksAsEver(await openStore({ connectionString: `${server().url}?options=${options}` }));
    });
  }

  it('a query_timeout of half a second, connections for one use each, parsers of its own, dates in UTC', async () => {
    const types = { getTypeParser: () => () => 'something else' } as unknown as pg.CustomTypesConfig;
    await withPool({ query_timeout: 5_000, maxUses: 1, types }, async (pool) => {
      const store = await openStore({ pool });
      await worksAsEver(store);
      await store.close();
    });
  });
});

it('a connection that comes to the pool later with such a setting is refused as well', async () => {
  let options: string | undefined;
  class Client extends pg.Client {
    constructor(config: pg.ClientConfig) {
      super({ ...config, options });
    }
  }
  await withPool({ Client } as unknown as pg.PoolConfig, async (pool) => {
    const store = await openStore({ pool, listen: false });
    await worksAsEver(store);
    options = '-c array_nulls=off';
    await Promise.all(Array.from({ length: pool.idleCount }, async () => (await pool.connect()).release(true)));

    expect(await rejectionOf(store.append('a', numbered(1, 1)))).toBeInstanceOf(ValidationError);
    options = undefined;
    await store.close();
  });
});
