import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import { upcastFailureOf } from '../../store/values/typed/upcast-failure.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { Subscription } from '../../store/ports/subscription.js';
import { PIECE_LENGTH, type FrameWriter } from './frames.js';
import type { ChannelFeed, LiveChannel } from './live-channel.js';
import type { LiveTarget } from './live-target.js';

/**
 * Reads the log, or a stream, on and on: once, for the channels of all targets in it, which take what is for them. So an
 * append costs one reading, whatever clients ask for.
 *
 * It goes as fast as the fastest of all clients: while none of them waits for more, it does not read.
 */
export class LiveFeed implements ChannelFeed {
  readonly #subscription: Subscription;
  readonly #channels = new Set<LiveChannel>();
  /** Every event up to here was offered. */
  #offeredTo: number;
  #isOffering = false;
  #hasEnded = false;
  #goOn: (() => void) | undefined;

  /**
   * @param source one of the targets in it
   * @param after the place that the first client has come to
   * @param onEnd called when it has ended, with the reason when that is a failure
   */
  constructor(
    store: EventStore,
    private readonly source: LiveTarget,
    private readonly writer: FrameWriter,
    after: number,
    onEnd: (error?: unknown) => void,
  ) {
    this.#offeredTo = after;
    this.#subscription = internalsOf(store).subscribeToAll(source.feed.target, after, {
      onGap: ({ trimmedTo }) => this.#skipTo(trimmedTo),
      onFork: ({ position, head }) => {
        onEnd();
        this.close();
        for (const channel of [...this.#channels]) {
          this.leave(channel);
          channel.startAgain(position, head);
        }
      },
    });
    this.#run()
      .then(() => onEnd(), onEnd)
      .finally(() => this.#channels.forEach((channel) => channel.end()));
  }

  /** Every event up to here was offered. */
  get offeredTo(): number {
    return this.#offeredTo;
  }

  /** The same, and also what is for nobody was passed over. */
  get position(): number {
    return this.#isOffering ? this.#offeredTo : Math.max(this.#offeredTo, this.#subscription.position);
  }

  get isEmpty(): boolean {
    return this.#channels.size === 0;
  }

  join(channel: LiveChannel): void {
    this.#channels.add(channel);
  }

  leave(channel: LiveChannel): void {
    this.#channels.delete(channel);
  }

  /** Says that a client waits for more. */
  wake(): void {
    this.#goOn?.();
  }

  close(): void {
    this.#hasEnded = true;
    void this.#subscription.close();
    this.#goOn?.();
  }

  async #run(): Promise<void> {
    for await (const events of this.#subscription.batches()) {
      this.#isOffering = true;
      const end = this.#subscription.position;
      for (let from = 0; from < events.length && !this.#hasEnded;) {
        await this.#untilSomebodyWaits();
        const to = this.#pieceEnd(events, from);
        const upTo = to === events.length ? end : this.source.placeOf(events[to]) - 1;
        const after = this.#offeredTo;
        this.#offeredTo = upTo;
        const failure = upcastFailureOf(events[from]);
        const piece = failure ? [] : events.slice(from, to);
        for (const channel of this.#channels) {
          if (failure && channel.target.wants(events[from])) channel.failAll(failure);
          channel.take(piece, after, upTo);
        }
        from = to;
      }
      this.#isOffering = false;
    }
  }

  async #untilSomebodyWaits(): Promise<void> {
    while (!this.#hasEnded && !this.#isAwaited()) await new Promise<void>((resolve) => (this.#goOn = resolve));
    this.#goOn = undefined;
  }

  #isAwaited(): boolean {
    for (const channel of this.#channels) if (channel.isAwaited) return true;
    return false;
  }

  /**
   * Where a piece ends that begins here: so that each client has its say after it. An event that cannot be brought into its
   * present shape is a piece of its own.
   */
  #pieceEnd(events: readonly RecordedEvent[], from: number): number {
    if (upcastFailureOf(events[from])) return from + 1;
    const channels = [...this.#channels];
    let length = 0;
    let to = from;
    for (; to < events.length && length < PIECE_LENGTH; to++) {
      const event = events[to];
      if (upcastFailureOf(event)) break;
      if (channels.some(({ target }) => target.wants(event))) length += this.writer.textOf(event).length;
    }
    return to;
  }

  #skipTo(trimmedTo: number): void {
    this.#offeredTo = trimmedTo;
    for (const channel of this.#channels) channel.skipTo(trimmedTo);
  }
}
