import type { RecordedEvent } from '../../store/values/event.js';
import type { Frames, FrameWriter } from './frames.js';
import type { LiveTarget } from './live-target.js';

/** How much is kept for clients that are a little slower than the fastest one. */
const KEPT_BYTES = 256 * 1024;

/** A client, as its channel knows it. */
export interface Follower {
  /** Hands over what comes next. */
  offer(frames: Frames): void;
  /** Says that the channel has gone on without it, over events that retention removed. */
  leaveBehind(): void;
  /** Says that the log went back: that it does not go on from a position, and ends at another now. */
  startAgain(after: number, head: number): void;
  /** Says that the log cannot be read any more. */
  end(): void;
  /** Says that it could not be offered something. */
  fail(error: unknown): void;
}

/** A feed, as its channels know it. */
export interface ChannelFeed {
  /** Every event up to here was offered. */
  readonly offeredTo: number;
  /** The same, and also what is for nobody was passed over. */
  readonly position: number;
  join(channel: LiveChannel): void;
  leave(channel: LiveChannel): void;
  /** Says that a client waits for more. */
  wake(): void;
}

/**
 * Hands what a feed reads to all clients that follow one target, and writes each event once for them.
 *
 * What a slower client has missed is kept for a while, if it is not too much; then that one has to read the log by itself.
 */
export class LiveChannel {
  readonly #members = new Set<Follower>();
  /** The members that wait for more. */
  readonly #waiting = new Set<Follower>();
  /** Every event up to here was offered. */
  #offeredTo: number;
  /** What was offered last, each piece beginning where the one before ends. */
  #kept: Frames[] = [];
  #keptBytes = 0;

  constructor(
    readonly target: LiveTarget,
    private readonly feed: ChannelFeed,
    private readonly writer: FrameWriter,
  ) {
    this.#offeredTo = feed.offeredTo;
    feed.join(this);
  }

  /** Every event up to here was offered, and what is not for the target was passed over. */
  get position(): number {
    return Math.max(this.#offeredTo, this.feed.position);
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** Whether a member waits for more. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  join(member: Follower): void {
    this.#members.add(member);
  }

  leave(member: Follower): void {
    this.#members.delete(member);
    this.#waiting.delete(member);
  }

  /** What follows a place: nothing yet, frames that are kept, or what has to be read from the log. */
  after(place: number): Frames | 'nothing yet' | 'read the log' {
    if (place >= this.#offeredTo) return 'nothing yet';
    const [first] = this.#kept;
    if (first === undefined || place < first.after) return 'read the log';
    return this.#kept.find(({ upTo }) => upTo > place)!;
  }

  /** From now on the member is offered what comes next. */
  wait(member: Follower): void {
    this.#waiting.add(member);
    this.feed.wake();
  }

  stopWaiting(member: Follower): void {
    this.#waiting.delete(member);
  }

  /** Takes what the feed has read; also what is not for the target, which is left out. */
  take(events: readonly RecordedEvent[], after: number, upTo: number): void {
    const frames = this.writer.writeAll(this.target, events, after, upTo);
    this.#keep(frames);
    this.#offeredTo = upTo;
    for (const member of this.#waiting) {
      try {
        member.offer(frames);
      } catch (error) {
        // Its rule, or its response: nobody else's.
        member.fail(error);
      }
    }
  }

  /** Goes on over events that retention removed. */
  skipTo(trimmedTo: number): void {
    this.#forgetAll();
    this.#offeredTo = trimmedTo;
    for (const member of [...this.#waiting]) member.leaveBehind();
  }

  /** The log went back: what is kept is of another one, so each member begins by itself. */
  startAgain(after: number, head: number): void {
    for (const member of [...this.#members]) {
      this.leave(member);
      member.startAgain(after, head);
    }
  }

  /** Ends all members, each with what it comes to next: an event that nobody can read. */
  failAll(error: unknown): void {
    for (const member of [...this.#members]) member.fail(error);
  }

  /** Says that the log cannot be read any more. */
  end(): void {
    for (const member of [...this.#members]) member.end();
  }

  close(): void {
    this.feed.leave(this);
  }

  /** Keeps frames for the members that do not wait for them now. */
  #keep(frames: Frames): void {
    if (this.#waiting.size === this.#members.size) return this.#forgetAll();
    this.#kept.push(frames);
    this.#keptBytes += frames.bytes.length;
    while (this.#keptBytes > KEPT_BYTES) this.#keptBytes -= this.#kept.shift()!.bytes.length;
  }

  #forgetAll(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }
}
