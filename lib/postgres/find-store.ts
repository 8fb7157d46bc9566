import { openClient } from './open-client.js';
import { checkPostgresEngineOptions } from './postgres-engine-options.js';

/**
 * Whether there is a store, without making one.
 *
 * @throws {ValidationError} when an option is wrong, or the driver is not installed
 * @throws {StorageUnavailableError} when nobody answers
 */
export async function findPostgresStore(place: {
  readonly connectionString: string;
  readonly schema: string;
}): Promise<boolean> {
  const options = checkPostgresEngineOptions({ ...place, listen: false });
  const client = await openClient(options, 'PostgreSQL');
  try {
    return await client.run({
      text: 'SELECT to_regclass($1) IS NOT NULL',
      values: [`"${options.schema}".migrations`],
      answer: ([[isThere]]) => isThere === 't',
    });
  } finally {
    await client.close();
  }
}
