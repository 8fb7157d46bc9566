import { randomInt } from 'node:crypto';
import { StorageUnavailableError, ValidationError } from '../../store/values/errors.js';
import type { PostgresClient, Query } from '../postgres-client.js';

const MOST_TRIES = 8;
const FIRST_PATIENCE_MS = 250;

/**
 * Sees that a lock keeps others out until its transaction ends, as the order of the log rests on that: while one connection
 * holds a lock, another one must not get it. Some that speak like PostgreSQL take such a lock for granted, and a pooler that
 * lends a connection for one statement only lets go of it at once.
 *
 * It takes two connections at a time. Behind a small pooler, instances that start together could each hold one and wait
 * for another, so nobody waits long: whoever does lets go of the first, and tries again.
 *
 * @throws {ValidationError} when another one gets it
 * @throws {StorageUnavailableError} when there were no two connections
 */
export async function proveLock(client: PostgresClient): Promise<void> {
  let answer: 'kept' | 'given twice' | 'nobody answered' = 'nobody answered';
  for (let tries = 1; answer === 'nobody answered' && tries <= MOST_TRIES; tries++) {
    // Instances that start at once must not take each other for the proof.
    const key = randomInt(2 ** 47);
    const patienceMs = FIRST_PATIENCE_MS * tries * (0.5 + Math.random());
    answer = await client.transaction(async (transaction) => {
      const isTaken = await transaction.run(tryLock(key));
      const isTakenTwice = await within(patienceMs, client.run(tryLock(key)));
      if (isTakenTwice === undefined) return 'nobody answered';
      return isTaken && !isTakenTwice ? 'kept' : 'given twice';
    });
  }
  if (answer === 'kept') return;
  if (answer === 'nobody answered') {
    const cause = new Error('there were no two connections at a time, to see that its locks keep others out');
    throw new StorageUnavailableError('PostgreSQL', false, cause);
  }
  throw new ValidationError(
    'postgresEngine',
    'an advisory lock does not keep others out until its transaction ends, so appends could be mixed up: connect to ' +
      'PostgreSQL itself, or to a pooler that lends a connection for a whole transaction.',
  );
}

function tryLock(key: number): Query<boolean> {
  return {
    text: 'SELECT pg_try_advisory_xact_lock($1)',
    values: [key],
    answer: ([[isTaken]]) => isTaken === 't',
  };
}

/** What a promise answers, if it does so in time; undefined when it does not. */
async function within<T>(ms: number, asked: Promise<T>): Promise<T | undefined> {
  // What it fails with later is of no account.
  asked.catch(() => undefined);
  let timer!: NodeJS.Timeout;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
