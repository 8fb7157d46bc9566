import type { Checkpoint } from '../../store/values/checkpoint.js';
import type { Place } from '../../store/values/place.js';

/**
 * A checkpoint as it may be gone on from when the log has nothing in common with it beyond a place: what it says of events
 * behind that place is dropped, so that they are handled.
 */
export function cutAt(kept: Checkpoint, { position, id }: Place): Checkpoint {
  const isOfLog = kept.streamId == null;
  const isBefore = ({ globalPosition = 0, handledTo }: Checkpoint['parked'][number]): boolean =>
    isOfLog ? globalPosition <= position : handledTo <= position;
  return {
    ...kept,
    position,
    id,
    // Of a stream it is not known where the place lies in the log. Too low makes retention wait, and nothing else.
    globalPosition: isOfLog ? Math.min(kept.globalPosition ?? 0, position) : 0,
    ahead: [],
    furthest: undefined,
    attempts: isOfLog ? kept.attempts.filter((attempt) => attempt.position <= position) : [],
    parked: kept.parked.filter(isBefore),
  };
}
