/** What is kept of one stream. */
export interface StreamInfo {
  readonly streamId: string;
  /** How many of its events are kept. */
  readonly eventCount: number;
  /** When the first kept event happened; null when retention removed them all. */
  readonly firstEvent: Date | null;
  /** When the last event happened; null when retention removed them all. */
  readonly lastEvent: Date | null;
  /** The position of the first kept event; one more than `lastPosition` when none is kept. */
  readonly firstPosition: number;
  /** The position of the last event ever appended: the stream's revision. */
  readonly lastPosition: number;
}

/** Which streams to list. */
export interface StreamQuery {
  /** Only streams whose id begins with this text. */
  readonly prefix?: string;
  /** At most this many; 0, the default, means all. */
  readonly limit?: number;
  /** Only streams that are sorted after this id: the last one of the page before. */
  readonly after?: string;
}

/** What a store has done since it was opened, and what it holds now. */
export interface Stats {
  /** Events that are kept now. */
  readonly totalEvents: number;
  /** Streams that hold events now. */
  readonly totalStreams: number;
  readonly eventsAppended: number;
  /** Events handed out by reads, replays and subscriptions. */
  readonly eventsRead: number;
  /** Events removed by retention. */
  readonly eventsExpired: number;
  readonly subscriptionsActive: number;
  readonly snapshotsCreated: number;
  /** What the engine holds in this process's memory, in bytes. */
  readonly memoryUsageBytes: number;
}

/** A snapshot of a whole store that was written. */
export interface StoreSnapshot {
  readonly id: string;
  readonly createdAt: Date;
  readonly events: number;
  readonly streams: number;
  readonly bytes: number;
  /** Where it lies, such as the path of a file. */
  readonly location?: string;
}

/**
 * Orders stream ids by Unicode code point, as the bytes of their UTF-8 are ordered, so that every engine lists them alike.
 *
 * The `<` of JavaScript compares UTF-16 code units and puts characters beyond U+FFFF, which begin with a surrogate,
 * before U+E000 to U+FFFF.
 */
export function compareStreamIds(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const x = a.charCodeAt(index);
    const y = b.charCodeAt(index);
    if (x !== y) return surrogatesLast(x) - surrogatesLast(y);
  }
  return a.length - b.length;
}

function surrogatesLast(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
