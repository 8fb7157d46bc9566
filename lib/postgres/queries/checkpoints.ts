import type { Checkpoint } from '../../store/checkpoint.js';
import { LeaseLostError } from '../../store/errors.js';
import type { Lease, NamedCheckpoint } from '../../store/storage-engine.js';
import type { Query } from '../postgres-client.js';

export function loadCheckpoint(schema: string, name: string): Query<Checkpoint | undefined> {
  return {
    text: `SELECT checkpoint FROM ${schema}.checkpoints WHERE name = $1`,
    values: [name],
    answer: ([row]) => (row ? toCheckpoint(row[0]!) : undefined),
  };
}

/** A process that is stopped between this statement and its COMMIT must not keep others from the lease for ever. */
const LONGEST_PAUSE_BEFORE_COMMIT = '5s';

/**
 * Keeps a checkpoint, unless somebody has taken the lease since.
 *
 * The row of the lease stays locked to the end of the transaction: whoever wants to take it over waits, and then loads this
 * checkpoint. Without that, both could deal with the same events and both would commit.
 */
export function saveCheckpoint(schema: string, name: string, checkpoint: Checkpoint, lease?: Lease): Query<void> {
  const values = [name, JSON.stringify(checkpoint)];
  const save = `INSERT INTO ${schema}.checkpoints AS saved (name, checkpoint)`;
  const replace = 'ON CONFLICT (name) DO UPDATE SET checkpoint = excluded.checkpoint';
  if (!lease) return { writes: true, text: `${save} VALUES ($1, $2) ${replace}`, values, answer: () => undefined };
  return {
    writes: true,
    text: `
      WITH lease AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', '${LONGEST_PAUSE_BEFORE_COMMIT}', true)
        FROM ${schema}.leases l WHERE l.name = $3 AND l.token = $4 FOR SHARE
      )
      ${save} SELECT $1, $2 FROM lease ${replace} RETURNING true`,
    values: [...values, lease.name, lease.token],
    answer: ([saved]) => {
      if (!saved) throw new LeaseLostError(lease.name);
    },
  };
}

export function listCheckpoints(schema: string): Query<NamedCheckpoint[]> {
  return {
    text: `SELECT name, checkpoint FROM ${schema}.checkpoints`,
    values: [],
    answer: (rows) => rows.map(([name, text]) => ({ name: name!, checkpoint: toCheckpoint(text!) })),
  };
}

export function removeCheckpoint(schema: string, name: string): Query<void> {
  return {
    writes: true,
    text: `DELETE FROM ${schema}.checkpoints WHERE name = $1`,
    values: [name],
    answer: () => undefined,
  };
}

function toCheckpoint(text: string): Checkpoint {
  return JSON.parse(text) as Checkpoint;
}
