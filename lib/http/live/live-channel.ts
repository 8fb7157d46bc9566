import type { EventStore } from '../../store/event-store.js';
import type { Subscription } from '../../store/subscription.js';
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
}

/**
 * Reads one target on and on, for all clients that follow it, and writes each event once.
 *
 * It goes as fast as the fastest of its members: while none of them waits for more, it does not read. What a slower one
 * has missed is kept for a while, if it is not too much; then that one has to read the log by itself.
 */
export class LiveChannel {
  readonly #subscription: Subscription;
  readonly #members = new Set<Follower>();
  /** The members that wait for more. */
  readonly #waiting = new Set<Follower>();
  /** Every event up to here was offered. */
  #offeredTo: number;
  #isOffering = false;
  /** What was offered last, each piece beginning where the one before ends. */
  #kept: Frames[] = [];
  #keptBytes = 0;
  #goOn: (() => void) | undefined;

  /**
   * @param after the place that the first member has come to
   * @param onEnd called when it has ended, with the reason when that is a failure
   */
  constructor(
    store: EventStore,
    private readonly target: LiveTarget,
    private readonly writer: FrameWriter,
    after: number,
    onEnd: (error?: unknown) => void,
  ) {
    this.#offeredTo = after;
    this.#subscription = store.subscribe(target.target, after, {
      onGap: ({ trimmedTo }) => this.#skipTo(trimmedTo),
      onFork: ({ position, head }) => {
        // What it has kept is of another log, so it is left, and each member begins by itself.
        onEnd();
        this.close();
        for (const member of [...this.#members]) {
          this.leave(member);
          member.startAgain(position, head);
        }
      },
    });
    this.#run()
      .then(() => onEnd(), onEnd)
      .finally(() => this.#members.forEach((member) => member.end()));
  }

  /** Every event up to here was offered, and what is not for the target was passed over. */
  get position(): number {
    return this.#isOffering ? this.#offeredTo : Math.max(this.#offeredTo, this.#subscription.position);
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
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
    this.#goOn?.();
  }

  stopWaiting(member: Follower): void {
    this.#waiting.delete(member);
  }

  close(): void {
    void this.#subscription.close();
    this.#goOn?.();
  }

  async #run(): Promise<void> {
    for await (const events of this.#subscription.batches()) {
      this.#isOffering = true;
      for (const frames of this.writer.write(this.target, events, this.#offeredTo, this.#subscription.position)) {
        if (this.#waiting.size === 0) await new Promise<void>((resolve) => (this.#goOn = resolve));
        this.#goOn = undefined;
        this.#keep(frames);
        this.#offeredTo = frames.upTo;
        for (const member of this.#waiting) member.offer(frames);
      }
      this.#isOffering = false;
    }
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

  #skipTo(trimmedTo: number): void {
    this.#forgetAll();
    this.#offeredTo = trimmedTo;
    for (const member of [...this.#waiting]) member.leaveBehind();
  }
}
