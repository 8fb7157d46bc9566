import type { ServerResponse } from 'node:http';
import { monotonic } from '../../store/values/clock.js';
import type { EventStore } from '../../store/event-store.js';
import { markOf, type Place } from '../../store/values/place.js';
import type { Subscription, SubscriptionGap } from '../../store/ports/subscription.js';
import type { Visibility } from '../reading/event-page.js';
import { partOf, type Frames, type FrameWriter } from './frames.js';
import type { Follower, LiveChannel } from './live-channel.js';
import { liveIdOf } from './live-id.js';
import type { LiveStart } from './live-start.js';
import type { LiveTarget } from './live-target.js';

/** How many events a client reads at a time that reads by itself. */
const OWN_BATCH_SIZE = 64;

/** What a client needs of those who serve all clients. */
export interface LiveSource {
  readonly store: EventStore;
  readonly writer: FrameWriter;
  readonly times: { readonly heartbeatMs: number; readonly stallTimeoutMs: number; readonly sessionMs: number };
  /** Says that a client was ended by a failure of its own. */
  report(error: unknown): void;
  /** The channel of a target; undefined while there is none. */
  channelOf(target: LiveTarget): LiveChannel | undefined;
  /** Which event is at a position of what the clients of a target count in. */
  eventAt(target: LiveTarget, position: number): Promise<{ readonly id: string | undefined }>;
  /** Opens the channel of a target, for a client that has come to this place. */
  openChannel(target: LiveTarget, after: number): LiveChannel;
}

/**
 * One client that follows events: a place in the log, and a connection.
 *
 * - *reading*: it reads the log by itself, from its place on. Left for *waiting* when it has caught up with its channel.
 * - *waiting*: it has everything, and its channel hands it what comes next.
 * - *draining*: the connection has more than it takes at once. Nothing is put into it, and nothing waits for it but its
 *   place. Left, when the connection has taken all, for *waiting*, over what the channel has kept, or for *reading*.
 * - *ended*: it was sent the end, or has gone. It reconnects with the id of the last event it got.
 */
export class LiveClient implements Follower {
  #channel: LiveChannel | undefined;
  #ownReading: Subscription | undefined;
  /** Whether the loop runs that brings it from its place to the end of the log. */
  #isGoing = false;
  #hasEnded = false;
  /** Since when the connection has taken nothing. */
  #blockedSince: number | undefined;
  #goOnWhenDrained: (() => void) | undefined;
  #writtenAt: number;
  readonly #endsAt: number;
  /** The position that it has come to, also over what is not for it. */
  #position: number;
  /** The latest place it may be told of whose event is known; undefined when there is none yet. */
  #known: Place | undefined;

  /**
   * @param start after which its events begin
   * @param isVisible which streams it may see; undefined for all
   */
  constructor(
    private readonly source: LiveSource,
    private readonly response: ServerResponse,
    private readonly target: LiveTarget,
    { after, known }: LiveStart,
    private readonly isVisible: Visibility,
  ) {
    this.#position = after;
    this.#known = known;
    const { clock } = source.store;
    this.#writtenAt = monotonic(clock);
    // Those that came together, as after a deployment, do not have to reconnect together.
    const share = 1 - (clock.random ?? Math.random)() / 10;
    this.#endsAt = this.#writtenAt + source.times.sessionMs * share;
    response.on('drain', () => this.#drained());
    response.on('close', () => this.#leave());
  }

  /** Whether the connection takes nothing more at present. */
  get isBlocked(): boolean {
    return this.#blockedSince !== undefined;
  }

  /**
   * @param retryMs how soon it is to reconnect after its connection has ended
   * @param reset when its last event is of another log
   */
  start(retryMs: number, reset: LiveStart['reset']): void {
    const told = reset ? this.#resetFrame(reset.after, reset.head) : '';
    this.#send(`retry: ${retryMs}\n${told}${this.#idLine(this.#position)}\n`);
    void this.#goOn();
  }

  offer(frames: Frames): void {
    this.#write(frames);
    if (this.isBlocked) this.#channel?.stopWaiting(this);
  }

  startAgain(after: number, head: number): void {
    this.#channel = undefined;
    this.#reset(after, head);
    void this.#goOn();
  }

  /** Says that what it got is of another log, and that it gets all of this one. */
  #reset(after: number, head: number): void {
    const told = this.#resetFrame(this.isVisible ? this.#known?.position : after, head);
    this.#position = 0;
    this.#known = { position: 0 };
    this.#send(`${told}${this.#idLine(0)}\n`);
  }

  /** Where the log ends is told only to those who may see everything. */
  #resetFrame(after: number | undefined, head: number): string {
    return `event: reset\ndata: ${JSON.stringify(this.isVisible ? { after } : { after, head })}\n\n`;
  }

  leaveBehind(): void {
    this.#channel?.stopWaiting(this);
    void this.#goOn();
  }

  /** Sends the end: a client that wants to go on reconnects. */
  end(): void {
    if (this.#hasEnded) return;
    this.#leave();
    this.#blockedSince ??= monotonic(this.source.store.clock);
    this.response.end();
  }

  /** It reconnects from its place; whoever follows the same is not concerned. */
  fail(error: unknown): void {
    this.source.report(error);
    this.end();
  }

  /** Ends at once, whatever the connection has not taken yet. */
  cutOff(): void {
    this.response.destroy();
  }

  /** Looks what is due. To be called now and then. @param now by the monotonic clock */
  tick(now: number): void {
    const { heartbeatMs, stallTimeoutMs } = this.source.times;
    if (this.#blockedSince !== undefined) {
      if (now - this.#blockedSince >= stallTimeoutMs) this.cutOff();
    } else if (now >= this.#endsAt) {
      this.end();
    } else if (now - this.#writtenAt >= heartbeatMs) {
      void this.#beat(now);
    }
  }

  /** Keeps the connection alive, and says how far it has come: a client of rare events need not look there again. */
  async #beat(now: number): Promise<void> {
    this.#writtenAt = now;
    const position = this.#passedTo();
    if (!this.isVisible && position !== this.#known?.position) {
      // What it has passed over may be another's; only the log knows which event is there.
      const { id } = await this.source.eventAt(this.target, position).catch(() => ({ id: undefined }));
      // Meanwhile it may have come further.
      if (position !== this.#passedTo()) return this.#send(':\n\n');
      if (id !== undefined) this.#known = { position, mark: markOf(id) };
    }
    this.#send(`:\n${this.#idLine(position)}\n`);
  }

  /**
   * Tells the client where it is, without an event: from there it goes on, also if it has got none yet. One that may not
   * see everything is told the last place of what it may see.
   */
  #idLine(position: number): string {
    const place = this.isVisible || position === this.#known?.position ? this.#known : { position };
    return place ? `id: ${liveIdOf(place)}\n` : '';
  }

  /** How far it has come, also over what is not for it. */
  #passedTo(): number {
    return this.#isGoing ? this.#position : Math.max(this.#position, this.#channel?.position ?? 0);
  }

  /** Brings it from its place to the end of the log, as far as the connection takes it. */
  async #goOn(): Promise<void> {
    if (this.#isGoing) return;
    this.#isGoing = true;
    try {
      while (!this.#hasEnded && !this.isBlocked) {
        this.#join(this.source.channelOf(this.target));
        const next = this.#channel?.after(this.#position) ?? 'read the log';
        if (next === 'nothing yet') {
          this.#channel!.wait(this);
          return;
        }
        if (next === 'read the log') await this.#readLog();
        else this.#write(next);
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#isGoing = false;
    }
  }

  #join(channel: LiveChannel | undefined): void {
    if (channel === this.#channel) return;
    this.#channel = channel;
    channel?.join(this);
  }

  /** Reads by itself until the end of the log, or until its channel can go on. */
  async #readLog(): Promise<void> {
    const { store, writer } = this.source;
    const { target } = this;
    let hasForked = false;
    const subscription = store.subscribe(target.target, this.#position, {
      // A client that takes nothing holds one batch.
      batchSize: OWN_BATCH_SIZE,
      // Told while the subscription goes to rest, which it has to finish before it is closed.
      onCaughtUp: () => queueMicrotask(() => void subscription.close()),
      onFork: ({ position, head }) => {
        hasForked = true;
        this.#reset(position, head);
        void subscription.close();
      },
      onGap: (gap) => this.#tellGap(gap),
    });
    this.#ownReading = subscription;
    for await (const events of subscription.batches()) {
      for (const frames of writer.write(target, events, this.#position, subscription.position)) {
        this.#write(frames);
        if (this.isBlocked) await new Promise<void>((resolve) => (this.#goOnWhenDrained = resolve));
        if (this.#hasEnded) return;
      }
      if (this.#channel && this.#channel.after(this.#position) !== 'read the log') return;
    }
    if (hasForked) return;
    this.#position = Math.max(this.#position, subscription.position);
    if (!this.#hasEnded && !this.source.channelOf(target)) this.source.openChannel(target, this.#position);
  }

  /** Says that retention has removed what comes next; how far, only to those who may see everything. */
  #tellGap({ after, trimmedTo }: SubscriptionGap): void {
    const told = this.isVisible ? `data: ${JSON.stringify({ after: this.#known?.position })}` : undefined;
    this.#send(`event: gap\n${told ?? `id: ${trimmedTo}\ndata: ${JSON.stringify({ after, trimmedTo })}`}\n\n`);
  }

  #write(frames: Frames): void {
    const bytes = partOf(frames, this.#position, this.isVisible);
    const last = frames.marks.findLast(({ streamId }) => this.isVisible?.(streamId) ?? true);
    if (last && last.place > this.#position) this.#known = { position: last.place, mark: last.mark };
    this.#position = Math.max(this.#position, frames.upTo);
    if (bytes.length > 0) this.#send(bytes);
  }

  #send(bytes: Buffer | string): void {
    if (this.#hasEnded) return;
    this.#writtenAt = monotonic(this.source.store.clock);
    if (!this.response.write(bytes)) this.#blockedSince ??= this.#writtenAt;
  }

  #drained(): void {
    if (this.#hasEnded) return;
    this.#blockedSince = undefined;
    if (this.#goOnWhenDrained) this.#resume();
    else void this.#goOn();
  }

  #resume(): void {
    const goOn = this.#goOnWhenDrained;
    this.#goOnWhenDrained = undefined;
    goOn?.();
  }

  #leave(): void {
    this.#hasEnded = true;
    this.#channel?.leave(this);
    void this.#ownReading?.close();
    this.#resume();
  }
}
