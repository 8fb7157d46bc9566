import { setImmediate as nextTurn } from 'node:timers/promises';
import { migrate } from '../migrations/migrate.js';
import { attachSource, copyEvents, copySmallTables, copyStreams, lastStream } from '../queries/copy.js';
import { loadLog, type Log } from '../queries/log.js';
import { addSeal, findSeal, type SealPlace } from '../queries/seal.js';
import { databaseBytes } from '../queries/sizes.js';
import { SqliteClient } from '../sqlite-client.js';
import type { SqliteDriver } from '../sqlite-driver.js';

const ROWS_PER_STEP = 1_000;

/** What was copied. */
export interface CopiedDatabase {
  readonly log: Log;
  readonly bytes: number;
  /** Where its checksum is to be written. */
  readonly seal: SealPlace;
}

/**
 * Copies a store as it is at one moment, a step at a time: the event loop goes on in between, and so do all who write.
 *
 * SQLite's own ways would not do: `VACUUM INTO` keeps the event loop waiting until it is done, and the backup API begins
 * anew whenever another process writes.
 *
 * @param target an empty file
 */
export async function copyDatabase(driver: SqliteDriver, source: string, target: string): Promise<CopiedDatabase> {
  const client = new SqliteClient(new driver(target), target);
  try {
    // Until it is complete, nobody needs it: then it is synced as a whole. The journal would be another file.
    client.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF');
    migrate(client);
    attachSource(client, source);
    // The first statement that reads fixes what all of them see, until the end of the transaction.
    client.exec('BEGIN');
    copySmallTables(client);
    const log = loadLog(client);
    await inSteps(1, lastStream(client), (stretch) => copyStreams(client, stretch));
    await inSteps(log.trimmedTo + 1, log.head, (stretch) => copyEvents(client, stretch));
    addSeal(client);
    client.exec('COMMIT');
    return { log, bytes: databaseBytes(client), seal: findSeal(client)! };
  } finally {
    client.close();
  }
}

async function inSteps(
  first: number,
  last: number,
  copy: (stretch: { readonly first: number; readonly last: number }) => void,
): Promise<void> {
  for (let begin = first; begin <= last; begin += ROWS_PER_STEP) {
    copy({ first: begin, last: Math.min(begin + ROWS_PER_STEP - 1, last) });
    await nextTurn();
  }
}
