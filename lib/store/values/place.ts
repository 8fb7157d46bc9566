/**
 * A place in a stream, or in the whole log: a position, and which event is there.
 *
 * A log can go back: a backup is restored, a standby takes over that lacked the last events, an older snapshot is loaded.
 * Its positions are then given a second time, to other events. So a position alone does not say what a reader has seen; the
 * id of the event there does.
 */
export interface Place {
  /** 0 before the first event. */
  readonly position: number;
  /** The id of the event there; undefined before the first event, and where it is not known. */
  readonly id?: string;
  /** What follows from the id, where that alone is known. */
  readonly mark?: string;
}

/** A place, and what it is counted in: one stream, or null for the whole log. */
export interface PlaceInLog extends Place {
  readonly streamId: string | null;
}

/** What a page tells of the place that it was read from. */
export interface SeenAtPlace {
  /** The position of the last event there is. */
  readonly head: number;
  /** The position of the last event that was removed. */
  readonly trimmedTo: number;
  /** The id of the event at the place; undefined when it cannot be told. */
  readonly id: string | undefined;
}

/**
 * Whether a log goes on from a place. It does not when it ends before it, or has another event there.
 *
 * What has been removed cannot be compared, nor can a place that is a mere number: they are taken at their word.
 */
export function goesOnFrom(place: Place, { head, trimmedTo, id }: SeenAtPlace): boolean {
  const { position } = place;
  if (position > head) return false;
  if (position <= trimmedTo || id === undefined) return true;
  if (place.id !== undefined) return place.id === id;
  return place.mark === undefined || place.mark === markOf(id);
}

/** The mark of the event at a place; undefined where it is not known. */
export function markAt({ id, mark }: Place): string | undefined {
  return id === undefined ? mark : markOf(id);
}

/** What a mark looks like in a text. */
export const MARK_PATTERN = '[0-9a-z]{7}';

/**
 * Seven characters that follow from an id: short enough for texts that people see, and one in four thousand million that
 * another event has the same.
 *
 * Of the whole id, by FNV-1a of 32 bits: ids of one millisecond begin alike, and those that an application gives may begin
 * or end alike.
 */
export function markOf(id: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return (hash >>> 0).toString(36).padStart(7, '0');
}
