import type { Checkpoint } from '../store/values/checkpoint.js';
import { LogForkedError } from '../store/values/errors.js';
import { goesOnFrom, type PlaceInLog } from '../store/values/place.js';
import type { CheckpointConditions, Lease } from '../store/ports/storage-engine.js';
import { checkCheckpoint, saveCheckpoint } from './queries/checkpoints.js';
import { checkLease } from './queries/leases.js';
import { loadLog } from './queries/log.js';
import { idAt, idInStream } from './queries/places.js';
import { findStream } from './queries/streams.js';
import type { SqliteClient } from './sqlite-client.js';

/**
 * Keeps a checkpoint, if what is asked of the lease and of the log is so. To be called within a transaction that writes.
 *
 * @throws {LeaseLostError | CheckpointChangedError | LogForkedError}
 */
export function keepCheckpoint(
  client: SqliteClient,
  name: string,
  checkpoint: Checkpoint,
  lease: Lease | undefined,
  { expected, place }: CheckpointConditions = {},
): void {
  if (lease) checkLease(client, lease);
  if (expected !== undefined) checkCheckpoint(client, name, expected);
  if (place) checkPlace(client, name, place);
  saveCheckpoint(client, name, checkpoint);
}

function checkPlace(client: SqliteClient, name: string, place: PlaceInLog): void {
  const { streamId, position } = place;
  const seen = streamId === null ? seenInLog(client, position) : seenInStream(client, streamId, position);
  if (!goesOnFrom(place, seen)) throw new LogForkedError(`"${name}"`, position, seen.head);
}

function seenInLog(client: SqliteClient, position: number) {
  const { head, trimmedTo } = loadLog(client);
  return { head, trimmedTo, id: idAt(client, position) };
}

function seenInStream(client: SqliteClient, streamId: string, position: number) {
  const stream = findStream(client, streamId);
  if (!stream) return { head: 0, trimmedTo: 0, id: undefined };
  const { number, revision, firstPosition } = stream;
  return { head: revision, trimmedTo: firstPosition - 1, id: idInStream(client, number, position) };
}
