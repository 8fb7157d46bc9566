/** Append whatever the stream's revision is. */
export const ANY = 'any';

/** Append only when nothing was ever appended to the stream: the same as revision 0. */
export const NO_STREAM = 'no-stream';

/** Append only when something was appended to the stream before. */
export const STREAM_EXISTS = 'stream-exists';

/**
 * What an append expects of its stream's revision.
 *
 * A revision is the position of the stream's last event, counted from 1, and 0 for a stream without events. It does not go
 * back when retention removes events.
 */
export type ExpectedRevision = number | typeof ANY | typeof NO_STREAM | typeof STREAM_EXISTS;

/** Whether a stream at revision `actual` is what the append expected. */
export function revisionMatches(expected: ExpectedRevision, actual: number): boolean {
  switch (expected) {
    case ANY:
      return true;
    case NO_STREAM:
      return actual === 0;
    case STREAM_EXISTS:
      return actual > 0;
    default:
      return actual === expected;
  }
}

/**
 * The one revision that `expected` allows, or undefined when it allows several.
 *
 * Only an append that names one revision can be recognised when it is retried: it says where its events must lie.
 */
export function exactRevision(expected: ExpectedRevision): number | undefined {
  if (typeof expected === 'number') return expected;
  return expected === NO_STREAM ? 0 : undefined;
}
