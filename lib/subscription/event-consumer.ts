import type { Checkpoint } from '../store/checkpoint.js';
import { messageOf, stackOf } from '../store/error-text.js';
import { HandlerFailedError, HandlerStoppedError } from '../store/errors.js';
import type { EventStore } from '../store/event-store.js';
import type { RecordedEvent } from '../store/event.js';
import { checkTarget } from '../store/subscription-target.js';
import type { Subscription, SubscriptionStart, SubscriptionTarget } from '../store/subscription.js';
import { CheckpointKeeper } from './checkpoint-keeper.js';
import type { CheckedConsumerOptions } from './consumer-options.js';
import type { DeadLetter, DeadLetterBox } from './dead-letter-box.js';
import { EventAttempts, Interrupted, type EventHandler } from './event-attempts.js';
import { ParkedStreams } from './parked-streams.js';
import { Progress } from './progress.js';

/** How far the log is read ahead for each place: enough to find events of other streams, and a bound for the memory. */
const EVENTS_WAITING_PER_PLACE = 16;
/** How many events may be dealt with beyond one that is not: the checkpoint lists them. */
const MOST_EVENTS_AHEAD = 4_096;

/** `starting`: not subscribed yet. `paused`: on request. `stopped`: after a failure, or for good. */
export type ConsumerState = 'starting' | 'catching-up' | 'live' | 'paused' | 'stopped';

/** What a consumer is made of. */
export interface ConsumerParts {
  /** Names it for people: `durable`, or else the class and the method. */
  readonly name: string;
  readonly store: EventStore;
  readonly target: SubscriptionTarget;
  /** Where to begin when there is no checkpoint. */
  readonly from: SubscriptionStart;
  readonly options: CheckedConsumerOptions;
  readonly deadLetters: DeadLetterBox;
  readonly handle: EventHandler;
}

/** An event that was taken from the log and not dealt with yet. */
interface Waiting {
  readonly event: RecordedEvent;
  readonly done: () => void;
}

/**
 * Feeds a handler with the events of a subscription, several streams at a time and each stream in order.
 *
 * The loop takes events from the log, in order, and lays them in `#waiting`. Whenever a place is free, the oldest waiting
 * event whose stream is not busy is handed to the handler; with one place, that is the order of the log. What was dealt
 * with is noted in `#progress`, from which the checkpoint is saved: it never passes an event that is not done.
 *
 * - `starting`: the checkpoint is being loaded.
 * - `catching-up`, `live`: as its subscription.
 * - `paused`: `pause` was called. Events that were taken and not begun are forgotten; `resume` takes them again.
 * - `stopped`: the policy `stop` met a failure, a dead letter could not be kept, the subscription failed, or the
 *   application ends. Until it ends, `resume` begins again where it stopped.
 *
 * After a crash, the events that may have been at work when the process ended are suspects: they are handled one at a
 * time, and each attempt is counted in the checkpoint before it begins. So an event that ends the process is found out and
 * put aside, while those that only stood beside it are not.
 */
export class EventConsumer {
  readonly name: string;

  readonly #parts: ConsumerParts;
  readonly #isOneStream: boolean;
  readonly #attempts: EventAttempts;
  readonly #parked: ParkedStreams;
  readonly #keeper: CheckpointKeeper | undefined;
  readonly #attemptCounts = new Map<number, number>();
  readonly #waiting: Waiting[] = [];
  /** The streams whose events are at work. */
  readonly #busy = new Set<string>();
  readonly #releases = new Set<Promise<void>>();

  #state: 'starting' | 'running' | 'paused' | 'stopped' = 'starting';
  #progress = new Progress(0);
  #doneAhead = new Set<number>();
  #suspects = 0;
  #isMarkedRunning = false;
  #started: Promise<void> | undefined;
  #subscription: Subscription | undefined;
  #loop: Promise<void> | undefined;
  #failures = 0;
  #lastError: unknown;
  #waitingForChange: (() => void)[] = [];

  constructor(parts: ConsumerParts) {
    const { name, store, target, options, handle } = parts;
    const checked = checkTarget(target);
    this.#parts = parts;
    this.name = name;
    this.#isOneStream = checked.streamId !== undefined;
    this.#attempts = new EventAttempts(name, store.name, options, store.clock, handle);
    const types = typeof target === 'string' ? undefined : target.types;
    this.#parked = new ParkedStreams(
      (streamId, after) => store.readStream(streamId, after, { limit: 100, types }),
      (event) => this.#deal(event),
      () => this.#keeper?.changed(),
    );
    this.#keeper = this.#makeKeeper();
  }

  get state(): ConsumerState {
    if (this.#state !== 'running') return this.#state;
    return this.#subscription?.state === 'live' ? 'live' : 'catching-up';
  }

  /** The name of its store. */
  get storeName(): string {
    return this.#parts.store.name;
  }

  get isDurable(): boolean {
    return this.#keeper !== undefined;
  }

  /** Every event up to this position was dealt with: in the stream, or in the log when the target is not one stream. */
  get position(): number {
    return this.#progress.position;
  }

  /** How many attempts have failed since the application started. */
  get failures(): number {
    return this.#failures;
  }

  /** What the latest failed attempt met, or what stopped the handler; undefined when nothing did. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** How many positions lie between `position` and the end of the stream or of the log. */
  async lag(): Promise<number> {
    if (!this.#subscription) return 0;
    return (await this.#subscription.lag()) + Math.max(0, this.#subscription.position - this.#progress.position);
  }

  /** Takes its place in the log. Resolves when it has; the handler is first called after `start`. */
  open(): Promise<void> {
    this.#started ??= this.#open();
    return this.#started;
  }

  async #open(): Promise<void> {
    const { store, from, options } = this.#parts;
    const checkpoint = options.durable === undefined ? undefined : await store.loadCheckpoint(options.durable);
    if (checkpoint) this.#restore(checkpoint);
    this.#subscribe(checkpoint?.position ?? from);
    // Asking for the lag waits until the start was found, which is the first position there is to save.
    await this.#subscription!.lag();
    if (!checkpoint) this.#progress = new Progress(this.#subscription!.position);
    this.#isMarkedRunning = true;
    await this.#keeper?.flush();
  }

  /** Begins to call the handler. */
  start(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'running';
    this.#loop = this.#run();
    this.#releaseOrphans();
  }

  /** Resolves when every event appended before this call was dealt with. @throws {HandlerStoppedError} */
  async settled(): Promise<void> {
    const throwIfStopped = (): void => {
      if (this.#state === 'paused' || this.#state === 'stopped')
        throw new HandlerStoppedError(this.name, this.#lastError);
    };
    await this.open();
    throwIfStopped();
    await this.#subscription!.caughtUp().catch((error: unknown) => {
      throwIfStopped();
      throw error;
    });
    while (this.#waiting.length > 0 || this.#busy.size > 0) {
      await this.#change();
      throwIfStopped();
    }
  }

  /** Takes no further events until `resume`; resolves when the attempts that run have ended. */
  async pause(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'paused';
    await this.#quiet();
    await this.#keeper?.flush();
  }

  /** Goes on where it was paused or has stopped. */
  async resume(): Promise<void> {
    if (this.#state !== 'paused' && this.#state !== 'stopped') return;
    await this.#quiet();
    this.#doneAhead = new Set([...this.#doneAhead, ...this.#progress.ahead]);
    this.#progress = new Progress(this.#progress.position);
    this.#attempts.resume();
    this.#subscribe(this.#progress.position);
    this.#state = 'running';
    this.#loop = this.#run();
    this.#releaseOrphans();
  }

  /**
   * Ends for good. A durable handler begins no event any more, finishes those it is at, and saves its checkpoint; a live
   * one, which nobody reminds of what it missed, first deals with everything appended until now. After the store's
   * `shutdownTimeoutMs` the attempts that run are aborted and not waited for.
   */
  async stop(): Promise<void> {
    await this.#started?.catch(() => undefined);
    const { store } = this.#parts;
    let tellDeadline!: () => void;
    const deadline = new Promise<void>((resolve) => (tellDeadline = resolve));
    const cancelDeadline = store.clock.setTimer(() => {
      if (this.#busy.size > 0) this.#report(`is still at work after ${store.shutdownTimeoutMs} ms`, 'it is aborted.');
      this.#attempts.interrupt();
      this.#attempts.abortRunning();
      tellDeadline();
    }, store.shutdownTimeoutMs);
    if (!this.isDurable && this.#state === 'running')
      await Promise.race([this.settled().catch(() => undefined), deadline]);
    this.#state = 'stopped';
    await this.#quiet();
    cancelDeadline();
    // What was never loaded must not be saved over.
    if (this.#isMarkedRunning) {
      this.#isMarkedRunning = false;
      await this.#keeper?.flush().catch((error: unknown) => this.#report('could not save its last checkpoint', error));
    }
    this.#keeper?.close();
  }

  /** Hands a dead letter to the handler once more. @throws {HandlerFailedError} when it fails again; then it stays */
  async retry(letter: DeadLetter): Promise<void> {
    try {
      await this.#attempts.once(letter.event, letter.attempts + 1);
    } catch (error) {
      this.#noteFailure(error);
      await this.#parts.deadLetters.failedAgain(letter, error);
      throw new HandlerFailedError(this.name, letter.event.id, error);
    }
    await this.#parts.deadLetters.handled(letter);
    if (letter.isParked) await this.#release(letter.event.streamId);
  }

  /** Gives a dead letter up. */
  async discard(letter: DeadLetter): Promise<void> {
    await this.#parts.deadLetters.discarded(letter);
    if (letter.isParked) await this.#release(letter.event.streamId);
  }

  #subscribe(from: SubscriptionStart): void {
    const { store, target } = this.#parts;
    this.#subscription = store.subscribe(target, from, {
      // The loop has asked for the next event, so every one before was taken.
      onCaughtUp: (position) => this.#progress.passTo(position),
    });
  }

  async #run(): Promise<void> {
    try {
      for await (const event of this.#subscription!) {
        if (this.#state !== 'running') return;
        const position = this.#isOneStream ? event.position : event.globalPosition;
        const done = this.#progress.take(position);
        if (this.#doneAhead.delete(position)) done();
        else this.#waiting.push({ event, done });
        this.#handOut();
        await this.#room();
      }
      // Its store was closed, unless it was stopped or paused.
      if (this.#state === 'running') this.#state = 'stopped';
    } catch (error) {
      this.#halt('its subscription could not be read', error);
    }
  }

  async #room(): Promise<void> {
    const mostWaiting = EVENTS_WAITING_PER_PLACE * this.#parts.options.concurrency;
    while (
      this.#state === 'running' &&
      (this.#waiting.length >= mostWaiting || this.#progress.window >= MOST_EVENTS_AHEAD)
    ) {
      await this.#change();
    }
  }

  /** Gives the oldest waiting events to the handler, as long as there is a place and their streams are not busy. */
  #handOut(): void {
    const places = this.#suspects > 0 ? 1 : this.#parts.options.concurrency;
    while (this.#state === 'running' && this.#busy.size < places) {
      if (this.#keeper?.isFull) {
        void this.#keeper.room().then(() => this.#handOut());
        return;
      }
      const index = this.#waiting.findIndex(({ event }) => !this.#busy.has(event.streamId));
      if (index < 0) return;
      const [{ event, done }] = this.#waiting.splice(index, 1);
      if (this.#parked.passesOver(event)) {
        done();
        this.#keeper?.changed();
      } else {
        void this.#work(event, done);
      }
    }
  }

  async #work(event: RecordedEvent, done: () => void): Promise<void> {
    this.#busy.add(event.streamId);
    try {
      await this.#deal(event);
      if (this.#suspects > 0) this.#suspects--;
      done();
      this.#keeper?.changed();
    } catch (error) {
      if (!(error instanceof Interrupted)) this.#halt(`it could not deal with event ${event.id}`, error);
    } finally {
      this.#busy.delete(event.streamId);
      this.#tellChange();
      this.#handOut();
    }
  }

  /**
   * Tries an event as often as the policy allows and, if that is in vain, does with it what the policy says.
   *
   * @returns false when its stream is parked now
   * @throws {Interrupted} when the consumer was stopped before
   */
  async #deal(event: RecordedEvent): Promise<boolean> {
    const position = event.globalPosition;
    const { attempts } = this.#parts.options.retry;
    let count = this.#attemptCounts.get(position) ?? 0;
    let failure: unknown = new Error('The process ended while the handler was at work on this event.');
    while (count < attempts) {
      this.#attempts.throwIfInterrupted();
      count++;
      if (this.#suspects > 0 || count > 1) await this.#countAttempt(position, count);
      try {
        await this.#attempts.once(event, count);
        this.#attemptCounts.delete(position);
        return true;
      } catch (error) {
        if (error instanceof Interrupted) {
          // The consumer ended the attempt, so it does not count.
          if (count > 1) this.#attemptCounts.set(position, count - 1);
          else this.#attemptCounts.delete(position);
          throw error;
        }
        failure = error;
        this.#noteFailure(error);
      }
      if (count < attempts) await this.#attempts.pauseAfter(count);
    }
    const isParked = await this.#giveUp(event, failure, count);
    this.#attemptCounts.delete(position);
    return !isParked;
  }

  /** Keeps the count before the attempt begins, in case the attempt ends the process. */
  async #countAttempt(position: number, count: number): Promise<void> {
    if (!this.#keeper) return;
    this.#attemptCounts.set(position, count);
    await this.#keeper.flush();
  }

  /** @returns whether the event's stream is parked now. @throws the failure, when the policy is to stop */
  async #giveUp(event: RecordedEvent, failure: unknown, attempts: number): Promise<boolean> {
    const { name, options, deadLetters } = this.#parts;
    const what = `failed ${attempts} times on event ${event.id}, at position ${event.position} of stream "${event.streamId}"`;
    if (options.onFailure === 'stop') throw failure;
    const isParked = options.onFailure === 'park-stream';
    if (options.onFailure === 'skip') {
      this.#report(`${what}; it goes on with the next`, failure);
      return false;
    }
    await deadLetters.add({ subscription: name, event, error: failure, attempts, isParked });
    this.#report(`${what}; the event is a dead letter now${isParked ? ', and its stream waits' : ''}`, failure);
    if (isParked) this.#parked.park(event);
    return isParked;
  }

  #halt(why: string, error: unknown): void {
    this.#lastError = error;
    if (this.#state !== 'running') return;
    this.#state = 'stopped';
    this.#report(`has stopped: ${why}`, error);
    void this.#quiet();
  }

  /** Takes and begins nothing more; resolves when nothing runs. */
  async #quiet(): Promise<void> {
    this.#attempts.interrupt();
    await this.#subscription?.close();
    this.#waiting.length = 0;
    this.#tellChange();
    await this.#loop;
    while (this.#busy.size > 0) await this.#change();
    await Promise.allSettled(this.#releases);
  }

  async #release(streamId: string): Promise<void> {
    const release = this.#parked.release(streamId);
    this.#releases.add(release);
    try {
      await release;
    } finally {
      this.#releases.delete(release);
    }
    await this.#keeper?.flush();
  }

  /** Goes on with streams whose dead letter was retried or discarded, when the process ended before they had caught up. */
  #releaseOrphans(): void {
    const release = async (): Promise<void> => {
      const parked = this.#parked.list();
      if (parked.length === 0) return;
      const letters = await this.#parts.deadLetters.list(this.name);
      const waiting = new Set(letters.filter(({ isParked }) => isParked).map(({ event }) => event.streamId));
      for (const { streamId } of parked) if (!waiting.has(streamId)) await this.#release(streamId);
    };
    release().catch((error: unknown) => {
      if (!(error instanceof Interrupted)) this.#report('could not go on with a parked stream', error);
    });
  }

  #makeKeeper(): CheckpointKeeper | undefined {
    const { store, options } = this.#parts;
    const { durable } = options;
    if (durable === undefined) return undefined;
    return new CheckpointKeeper(
      () => this.#checkpoint(),
      (checkpoint) => store.saveCheckpoint(durable, checkpoint),
      options.checkpointEvery,
      options.checkpointIntervalMs,
      store.clock,
      (error) => this.#report('could not save its checkpoint, and tries again', error),
    );
  }

  #checkpoint(): Checkpoint {
    return {
      position: this.#progress.position,
      ahead: [...this.#doneAhead, ...this.#progress.ahead].sort((a, b) => a - b),
      attempts: [...this.#attemptCounts].map(([position, count]) => ({ position, count })),
      parked: this.#parked.list(),
      isRunning: this.#isMarkedRunning,
    };
  }

  #restore({ position, ahead, attempts, parked, isRunning }: Checkpoint): void {
    const { checkpointEvery, concurrency } = this.#parts.options;
    this.#progress = new Progress(position);
    this.#doneAhead = new Set(ahead);
    for (const { position: at, count } of attempts) this.#attemptCounts.set(at, count);
    this.#parked.restore(parked);
    // Those begun since the checkpoint was saved are among so many: dealt with and not saved, at work, or waiting.
    if (isRunning) this.#suspects = checkpointEvery + (2 + EVENTS_WAITING_PER_PLACE) * concurrency;
  }

  #noteFailure(error: unknown): void {
    this.#failures++;
    this.#lastError = error;
    const { store, name } = this.#parts;
    store.metricsCollector.onHandlerFailure?.({ store: store.name, handler: name });
  }

  #report(what: string, error: unknown): void {
    const { store, name } = this.#parts;
    store.logger.error(`${name} ${what}: ${messageOf(error)}`, stackOf(error));
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waitingForChange.push(resolve));
  }

  #tellChange(): void {
    for (const tell of this.#waitingForChange.splice(0)) tell();
  }
}
