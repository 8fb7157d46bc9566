import { describe, expect, it } from '@jest/globals';
import { StorageFailedError, StorageTooNewError, StorageUnavailableError } from 'nestjs-stream-store';
import pg from 'pg';
import { rejectionOf, numbered } from '../support/events.js';
import { usePostgres } from '../support/engines/postgres-stores.js';

const { server, openStore } = usePostgres();

it('lets twenty instances start at once on an empty database', async () => {
  const schema = server().newSchema();

  const stores = await Promise.all(Array.from({ length: 20 }, () => openStore({ schema, maxConnections: 3 })));

  await Promise.all(stores.map((store, index) => store.append('a', numbered(index, index))));
  expect(await stores[7].readStream('a')).toHaveLength(20);
  const applied = await server().run(`SELECT version FROM "${schema}".migrations ORDER BY version`);
  expect(applied.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6]);
});

it('goes on with what an earlier version left half way', async () => {
  const schema = server().newSchema();
  await server().run(`CREATE SCHEMA "${schema}"`);

  const store = await openStore({ schema });

  expect(await store.append('a', numbered(1, 1))).toMatchObject({ revision: 1 });
});

it('refuses a schema that a later version has changed, and changes nothing', async () => {
  const schema = server().newSchema();
  await (await openStore({ schema })).close();
  await server().run(`INSERT INTO "${schema}".migrations (version) VALUES (99)`);

  const error = await rejectionOf(openStore({ schema }));

  expect(error).toBeInstanceOf(StorageTooNewError);
  expect(error).toMatchObject({ code: 'STORAGE_TOO_NEW', version: 99, supported: 6 });
});

describe('while another session keeps the lock for changes of the schema', () => {
  async function lock(schema: string): Promise<pg.Client> {
    const other = new pg.Client(server().url);
    await other.connect();
    await other.query('SELECT pg_advisory_lock(hashtextextended($1, 5748140))', [`"${schema}"`]);
    return other;
  }

  it('opening is refused after a few seconds, and says why', async () => {
    const schema = server().newSchema();
    const other = await lock(schema);

    const error = await rejectionOf(openStore({ schema }, { startTimeoutMs: 0 }));

    await other.end();
    expect(error).toBeInstanceOf(StorageUnavailableError);
    expect(error).toMatchObject({
      isOutcomeUnknown: false,
      message: expect.stringContaining(`kept the lock for changes of schema "${schema}" for 4 s`),
    });
  }, 20_000);

  it('a store that may wait tries again, and opens when it is free', async () => {
    const schema = server().newSchema();
    const other = await lock(schema);

    const opening = openStore({ schema }, { startTimeoutMs: 20_000 });
    await server().run('SELECT pg_sleep(4.5)');
    await other.end();

    expect(await (await opening).append('a', numbered(1, 1))).toMatchObject({ revision: 1 });
  }, 30_000);
});

it('takes a schema name literally', async () => {
  const schema = `Odd-${server().newSchema()}`;
  const store = await openStore({ schema });

  await store.append('a', numbered(1, 1));

  const [{ count }] = await server().run(`SELECT count(*) FROM "${schema}".events`);
  expect(Number(count)).toBe(1);
  await store.close();
  await server().run(`DROP SCHEMA "${schema}" CASCADE`);
});

describe('a role that may not create anything', () => {
  const urlOf = (role: string) => server().url.replace(/\/\/[^@]+@/, `//${role}:secret@`);

  it('opens a schema that is up to date', async () => {
    const schema = server().newSchema();
    const role = `${schema}_user`;
    await (await openStore({ schema })).close();
    await server().run(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
    await server().run(`GRANT USAGE ON SCHEMA "${schema}" TO ${role}`);
    await server().run(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO ${role}`);

    const store = await openStore({ schema, connectionString: urlOf(role) });

    expect(await store.append('a', numbered(1, 1))).toMatchObject({ revision: 1 });
  });

  it('is told what it lacks, as an error of the store', async () => {
    const schema = server().newSchema();
    const role = `${schema}_user`;
    await server().run(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);

    const error = await rejectionOf(openStore({ schema, connectionString: urlOf(role) }));

    expect(error).toBeInstanceOf(StorageFailedError);
    expect(error).toMatchObject({ code: 'STORAGE_FAILED', cause: { code: '42501' } });
  });
});
