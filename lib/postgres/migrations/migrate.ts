import { StorageTooNewError, StorageUnavailableError } from '../../store/values/errors.js';
import type { PostgresClient, Query } from '../postgres-client.js';
import { eventLog } from './0001-event-log.js';
import { append } from './0002-append.js';
import { appendByStream } from './0003-append-by-stream.js';
import { patience } from './0004-patience.js';
import { leaseDuration } from './0005-lease-duration.js';
import { documents } from './0006-documents.js';

/** What was released is never edited: a change is one more at the end. */
const MIGRATIONS: readonly ((schema: string) => string)[] = [
  eventLog,
  append,
  appendByStream,
  patience,
  leaseDuration,
  documents,
];

const LONGEST_WAIT_S = 4;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Brings the schema to the version that this package needs, in one transaction. Instances that start together wait for the
 * first of them, for a few seconds; a schema that is up to date is only looked at, so that an instance needs no right to
 * change it.
 *
 * @param schema a quoted name
 * @throws {StorageUnavailableError} when another session keeps the lock: opening can be tried again
 * @throws {StorageTooNewError} when a later version of the package has changed it
 */
export async function migrate(client: PostgresClient, schema: string): Promise<void> {
  if ((await versionOf(client, schema)) === MIGRATIONS.length) return;
  await client.transaction(async (transaction) => {
    // Holds for every lock of this transaction: one of a table that is waited for keeps all others from it, too.
    await transaction.run(statement(`SELECT set_config('lock_timeout', '${LONGEST_WAIT_S}s', true)`));
    // CREATE SCHEMA IF NOT EXISTS fails when two do it at once, so even that needs the lock.
    await lockSchema(transaction, schema);
    await transaction.run(statement(`CREATE SCHEMA IF NOT EXISTS ${schema}`));
    await transaction.run(
      statement(
        `CREATE TABLE IF NOT EXISTS ${schema}.migrations
           (version int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`,
      ),
    );
    const version = await versionOf(transaction, schema);
    for (let next = version; next < MIGRATIONS.length; next++) {
      await transaction.run(statement(MIGRATIONS[next](schema)));
      await transaction.run(statement(`INSERT INTO ${schema}.migrations (version) VALUES ($1)`, [next + 1]));
    }
  });
}

async function lockSchema(client: Pick<PostgresClient, 'run'>, schema: string): Promise<void> {
  try {
    await client.run(statement('SELECT pg_advisory_xact_lock(hashtextextended($1, 5748140))', [schema]));
  } catch (error) {
    if (((error as Error).cause as { code?: string } | undefined)?.code !== LOCK_NOT_AVAILABLE) throw error;
    const reason =
      `another session has kept the lock for changes of schema ${schema} for ${LONGEST_WAIT_S} s: ` +
      'it is an advisory lock, see pg_locks for who holds it';
    throw new StorageUnavailableError('PostgreSQL', false, new Error(reason, { cause: error }));
  }
}

/** How many migrations were applied. */
async function versionOf(client: Pick<PostgresClient, 'run'>, schema: string): Promise<number> {
  const exists = { text: 'SELECT to_regclass($1) IS NOT NULL', values: [`${schema}.migrations`] };
  if (!(await client.run({ ...exists, answer: ([[found]]) => found === 't' }))) return 0;
  const version = await client.run<number>({
    text: `SELECT coalesce(max(version), 0) FROM ${schema}.migrations`,
    values: [],
    answer: ([[last]]) => Number(last),
  });
  if (version > MIGRATIONS.length) throw new StorageTooNewError(`schema ${schema}`, version, MIGRATIONS.length);
  return version;
}

function statement(text: string, values: readonly unknown[] = []): Query<void> {
  return { text, values, answer: () => undefined };
}
