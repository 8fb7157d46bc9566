import { ValidationError } from '../../store/errors.js';
import type { EngineContext } from '../../store/storage-engine.js';
import type { PostgresClient, Query } from '../postgres-client.js';

interface ServerSettings {
  readonly encoding: string;
  readonly isolation: string;
  readonly fsync: string;
  readonly synchronousCommit: string;
}

const serverSettings: Query<ServerSettings> = {
  text: `SELECT current_setting('server_encoding'), current_setting('default_transaction_isolation'),
    current_setting('fsync'), current_setting('synchronous_commit')`,
  values: [],
  answer: ([[encoding, isolation, fsync, synchronousCommit]]) =>
    ({ encoding, isolation, fsync, synchronousCommit }) as ServerSettings,
};

/**
 * Sees that the server can keep what the store promises.
 *
 * @throws {ValidationError} when it cannot
 */
export async function checkServer(client: PostgresClient, { storeName, logger }: EngineContext): Promise<void> {
  const { encoding, isolation, fsync, synchronousCommit } = await client.run(serverSettings);
  if (encoding !== 'UTF8') {
    throw new ValidationError('postgresEngine', `the database is encoded in ${encoding}: take one that is in UTF8.`);
  }
  if (isolation !== 'read committed') {
    const problem = `default_transaction_isolation is "${isolation}": set it to "read committed" for this role.`;
    throw new ValidationError('postgresEngine', problem);
  }
  for (const [setting, value] of Object.entries({ fsync, synchronous_commit: synchronousCommit })) {
    if (value !== 'off') continue;
    logger.warn(
      `Store "${storeName}": ${setting} is off in PostgreSQL, so a loss of power can take appends that were acknowledged.`,
    );
  }
}
