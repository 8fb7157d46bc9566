import type { Checkpoint } from '../../store/values/checkpoint.js';
import { CheckpointChangedError, LeaseLostError, LogForkedError } from '../../store/values/errors.js';
import type { PlaceInLog } from '../../store/values/place.js';
import type { CheckpointConditions, Lease, NamedCheckpoint } from '../../store/ports/storage-engine.js';
import type { Query } from '../postgres-client.js';
import { Parameters } from './event-conditions.js';

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
 * Keeps a checkpoint, if what is asked of the lease and of the log is so.
 *
 * The row of the lease stays locked to the end of the transaction: whoever wants to take it over waits, and then loads this
 * checkpoint. Without that, both could handle the same events and both would commit.
 *
 * The answer is one row: whether the lease is held, whether the log goes on from the place and where it ends, and whether
 * the checkpoint was kept. It was not, when another one was there than the one to be replaced.
 */
export function saveCheckpoint(
  schema: string,
  name: string,
  checkpoint: Checkpoint,
  lease?: Lease,
  { expected, place }: CheckpointConditions = {},
): Query<void> {
  const parameters = new Parameters();
  const [of, text] = [parameters.add(name), parameters.add(JSON.stringify(checkpoint))];
  const statement = `
    WITH lease AS MATERIALIZED (${lease ? heldLease(schema, lease, parameters) : 'SELECT true'}),
    place AS MATERIALIZED (${place ? seenPlace(schema, place, parameters) : 'SELECT true AS fits, null AS head'}),
    saved AS (${save(schema, of, text, expected, parameters)})
    SELECT EXISTS (SELECT FROM lease), place.fits, place.head, EXISTS (SELECT FROM saved) FROM place`;
  return {
    writes: true,
    text: statement,
    values: parameters.values,
    answer: ([[isHeld, fits, head, isSaved]]) => {
      if (isHeld !== 't') throw new LeaseLostError(lease!.name);
      if (isSaved === 't') return;
      if (fits === 't') throw new CheckpointChangedError(name);
      throw new LogForkedError(`"${name}"`, place!.position, Number(head));
    },
  };
}

function heldLease(schema: string, { name, holder, token }: Lease, parameters: Parameters): string {
  return `
    SELECT set_config('idle_in_transaction_session_timeout', '${LONGEST_PAUSE_BEFORE_COMMIT}', true)
    FROM ${schema}.leases l
    WHERE l.name = ${parameters.add(name)} AND l.holder = ${parameters.add(holder)} AND l.token = ${parameters.add(token)}
    FOR SHARE`;
}

/** Asks whether a lease is still held, and keeps others from taking it until the transaction ends. @throws {LeaseLostError} */
export function checkLease(schema: string, lease: Lease): Query<void> {
  const parameters = new Parameters();
  return {
    writes: true,
    text: heldLease(schema, lease, parameters),
    values: parameters.values,
    answer: (rows) => {
      if (rows.length === 0) throw new LeaseLostError(lease.name);
    },
  };
}

/** Whether the log goes on from a place: `goesOnFrom`, in SQL. One row, also for a stream that is not there. */
function seenPlace(schema: string, { streamId, position, id }: PlaceInLog, parameters: Parameters): string {
  const at = `${parameters.add(position)}::bigint`;
  const stream = streamId === null ? undefined : parameters.add(streamId);
  const found =
    stream === undefined
      ? `SELECT log_end.head, log.trimmed_to FROM ${schema}.log_end(), ${schema}.log WHERE log.id = 1`
      : `SELECT coalesce(max(e.position), s.trimmed_to) AS head, s.trimmed_to FROM ${schema}.streams s
         LEFT JOIN ${schema}.events e ON e.stream_id = s.stream_id AND e.position = (
           SELECT l.position FROM ${schema}.events l WHERE l.stream_id = s.stream_id ORDER BY l.position DESC LIMIT 1
         )
         WHERE s.stream_id = ${stream} GROUP BY s.trimmed_to`;
  const isThere = stream === undefined ? `e.global_position = ${at}` : `e.stream_id = ${stream} AND e.position = ${at}`;
  const isSame =
    id === undefined
      ? 'true'
      : `(${at} <= coalesce(seen.trimmed_to, 0)
          OR EXISTS (SELECT FROM ${schema}.events e WHERE ${isThere} AND e.id = ${parameters.add(id)}))`;
  return `
    SELECT ${at} <= coalesce(seen.head, 0) AND ${isSame} AS fits, coalesce(seen.head, 0) AS head
    FROM (SELECT) AS one LEFT JOIN (${found}) AS seen ON true`;
}

/** @param expected the one to be replaced; null for none, undefined for any */
function save(
  schema: string,
  name: string,
  checkpoint: string,
  expected: Checkpoint | null | undefined,
  parameters: Parameters,
): string {
  if (expected) {
    return `
      UPDATE ${schema}.checkpoints AS saved SET checkpoint = ${checkpoint} FROM lease, place
      WHERE place.fits AND saved.name = ${name} AND saved.checkpoint = ${parameters.add(JSON.stringify(expected))}
      RETURNING true`;
  }
  const replace = expected === null ? 'DO NOTHING' : 'DO UPDATE SET checkpoint = excluded.checkpoint';
  return `
    INSERT INTO ${schema}.checkpoints AS saved (name, checkpoint) SELECT ${name}, ${checkpoint} FROM lease, place WHERE place.fits
    ON CONFLICT (name) ${replace} RETURNING true`;
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
