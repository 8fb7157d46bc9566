import type { Checkpoint } from '../../store/values/checkpoint.js';
import { CheckpointChangedError } from '../../store/values/errors.js';
import type { NamedCheckpoint } from '../../store/ports/storage-engine.js';
import type { SqliteClient } from '../sqlite-client.js';

export function loadCheckpoint(client: SqliteClient, name: string): Checkpoint | undefined {
  const row = client.get<{ checkpoint: string }>('SELECT checkpoint FROM checkpoints WHERE name = ?', name);
  return row && (JSON.parse(row.checkpoint) as Checkpoint);
}

/** @param expected null for none @throws {CheckpointChangedError} when another one is kept */
export function checkCheckpoint(client: SqliteClient, name: string, expected: Checkpoint | null): void {
  const row = client.get<{ checkpoint: string }>('SELECT checkpoint FROM checkpoints WHERE name = ?', name);
  if (row?.checkpoint !== (expected === null ? undefined : JSON.stringify(expected))) {
    throw new CheckpointChangedError(name);
  }
}

export function saveCheckpoint(client: SqliteClient, name: string, checkpoint: Checkpoint): void {
  client.run('INSERT OR REPLACE INTO checkpoints (name, checkpoint) VALUES (?, ?)', name, JSON.stringify(checkpoint));
}

export function listCheckpoints(client: SqliteClient): NamedCheckpoint[] {
  return client
    .all<{ name: string; checkpoint: string }>('SELECT name, checkpoint FROM checkpoints')
    .map(({ name, checkpoint }) => ({ name, checkpoint: JSON.parse(checkpoint) as Checkpoint }));
}

export function removeCheckpoint(client: SqliteClient, name: string): void {
  client.run('DELETE FROM checkpoints WHERE name = ?', name);
}
