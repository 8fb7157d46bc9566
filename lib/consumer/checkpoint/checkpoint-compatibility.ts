import type { Checkpoint } from '../../store/values/checkpoint.js';
import { ValidationError } from '../../store/values/errors.js';

/** What a handler counts in, which its checkpoint has to fit. */
export interface CheckpointScale {
  /** The one stream of its target; undefined when positions count in the whole log. */
  readonly streamId: string | undefined;
  /** Over how many partitions its streams are spread. */
  readonly partitions: number;
}

/**
 * A position means another place in one stream than in another, or in the whole log; and which streams have come to it
 * depends on the number of partitions.
 *
 * @throws {ValidationError} when what was kept under a handler's name does not fit the handler
 */
export function checkFit(name: string, kept: Checkpoint, { streamId, partitions }: CheckpointScale): void {
  const { partitions: keptPartitions = 1 } = kept;
  if (keptPartitions !== partitions) {
    throw new ValidationError(
      'partitions',
      `"${name}" was run with ${keptPartitions}, and the streams of each have come to another place: give it ` +
        `${keptPartitions} again, or a new name, with "from" to say where it begins.`,
    );
  }
  if (kept.streamId === undefined || kept.streamId === (streamId ?? null)) return;
  throw new ValidationError(
    'durable',
    `the checkpoint of "${name}" is a position in ${scaleOf(kept.streamId)}, and its target is counted in ` +
      `${scaleOf(streamId)}: give it a new name, with "from" to say where it begins, or the target that it had.`,
  );
}

function scaleOf(streamId: string | null | undefined): string {
  return streamId == null ? 'the whole log' : `stream "${streamId}"`;
}
