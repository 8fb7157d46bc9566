import type { MaybePromise } from './maybe-promise.js';

/** Something in a log that no append and no retention leaves behind. */
export interface LogProblem {
  /**
   * `missing-in-log`: global positions that no event has. `missing-in-stream`: positions of a stream that no event has.
   * `unlisted-stream`: a stream that has events, but is not known as a stream. `out-of-order`: an event that is later in its
   * stream than another, but not in the log.
   */
  readonly kind: 'missing-in-log' | 'missing-in-stream' | 'unlisted-stream' | 'out-of-order';
  /** Undefined when it is about the log. */
  readonly streamId: string | undefined;
  /** The first and the last position that it is about: of the stream, or global ones when it is about the log. */
  readonly first: number;
  readonly last: number;
}

/** What is known of an event without reading it. */
export interface PlaceInStream {
  /** Names the stream to the engine. */
  readonly stream: string | number;
  readonly streamId: string;
  readonly position: number;
  readonly globalPosition: number;
  /** The position of the stream's last event that was removed; undefined when the stream is not known as one. */
  readonly trimmedTo: number | undefined;
}

/** What a check asks of an engine. Each answer holds what is true at one moment. */
export interface CheckedLog {
  /** The global position of the last event there ever was. */
  head(): MaybePromise<number>;
  /** Global positions after one, up to another, rising, at most `most`; and up to where events were removed. */
  globalPositions(
    after: number,
    upTo: number,
    most: number,
  ): MaybePromise<{ readonly trimmedTo: number; readonly found: readonly number[] }>;
  /** Events with global positions up to one: stream by stream, in any order of streams, by position; those that follow. */
  places(after: PlaceInStream | undefined, upTo: number, most: number): MaybePromise<readonly PlaceInStream[]>;
}

/** How far a check has come. */
export interface LogCheckState {
  /** What is appended after the check has begun is none of its business. */
  readonly upTo: number;
  /** The last global position that was looked at; undefined when the log is done, and the streams are next. */
  readonly inLog: number | undefined;
  readonly inStreams: PlaceInStream | undefined;
}

/** What a part of a check has found. */
export interface LogCheckPage {
  readonly problems: readonly LogProblem[];
  /** What to go on with; undefined when all has been looked at. */
  readonly next: LogCheckState | undefined;
}

/** What `checkLog` answers. */
export interface LogCheck {
  readonly problems: readonly LogProblem[];
  /** Whether all was looked at; false when it was given up after as many problems as were asked for. */
  readonly isComplete: boolean;
}

const MOST_AT_ONCE = 10_000;

/** Looks at the next part of a log: first at the log as a whole, then at its streams. */
export async function checkPart(log: CheckedLog, state: LogCheckState | undefined): Promise<LogCheckPage> {
  const { upTo, inLog, inStreams } = state ?? { upTo: await log.head(), inLog: 0, inStreams: undefined };
  if (inLog !== undefined) return checkGlobalPositions(log, upTo, inLog);
  const places = await log.places(inStreams, upTo, MOST_AT_ONCE);
  const problems: LogProblem[] = [];
  let before = inStreams;
  for (const place of places) {
    problems.push(...problemsOf(place, before));
    before = place;
  }
  const isEnd = places.length < MOST_AT_ONCE;
  return { problems, next: isEnd ? undefined : { upTo, inLog: undefined, inStreams: before } };
}

async function checkGlobalPositions(log: CheckedLog, upTo: number, after: number): Promise<LogCheckPage> {
  const { trimmedTo, found } = await log.globalPositions(after, upTo, MOST_AT_ONCE);
  const isEnd = found.length < MOST_AT_ONCE;
  const problems: LogProblem[] = [];
  let before = Math.max(after, trimmedTo);
  for (const position of isEnd ? [...found, upTo + 1] : found) {
    if (position > before + 1) {
      problems.push({ kind: 'missing-in-log', streamId: undefined, first: before + 1, last: position - 1 });
    }
    before = Math.max(before, position);
  }
  return { problems, next: { upTo, inLog: isEnd ? undefined : before, inStreams: undefined } };
}

function problemsOf(place: PlaceInStream, before: PlaceInStream | undefined): LogProblem[] {
  const { stream, streamId, position, globalPosition, trimmedTo } = place;
  const isFirst = before?.stream !== stream;
  const problems: LogProblem[] = [];
  if (trimmedTo === undefined && isFirst) {
    problems.push({ kind: 'unlisted-stream', streamId, first: position, last: position });
  }
  // Retention may have come by since the page before.
  const last = Math.max(isFirst ? 0 : before.position, trimmedTo ?? 0);
  if (position > last + 1) {
    problems.push({ kind: 'missing-in-stream', streamId, first: last + 1, last: position - 1 });
  }
  if (!isFirst && globalPosition <= before.globalPosition) {
    problems.push({ kind: 'out-of-order', streamId, first: before.position, last: position });
  }
  return problems;
}

/** What a problem is, in words. */
export function describeProblem({ kind, streamId, first, last }: LogProblem): string {
  const range = first === last ? `${first}` : `${first} to ${last}`;
  switch (kind) {
    case 'missing-in-log':
      return `no event has the global position ${range}`;
    case 'missing-in-stream':
      return `stream "${streamId}" has no event at position ${range}`;
    case 'unlisted-stream':
      return `stream "${streamId}" has an event at position ${range}, but is not listed`;
    case 'out-of-order':
      return `in stream "${streamId}" the event at position ${last} comes before that at ${first} in the log`;
  }
}
