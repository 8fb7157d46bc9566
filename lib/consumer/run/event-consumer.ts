import { inOwnContext } from '../../store/async-context.js';
import type { Checkpoint } from '../../store/checkpoint.js';
import { START } from '../../store/cursor.js';
import { messageOf, stackOf } from '../../store/error-text.js';
import {
  CheckpointChangedError,
  EventStoreError,
  HandlerFailedError,
  HandlerStoppedError,
  LeaseLostError,
  LogForkedError,
} from '../../store/errors.js';
import type { EventStore } from '../../store/event-store.js';
import type { RecordedEvent } from '../../store/event.js';
import type { LogFields } from '../../store/logger.js';
import { goesOnFrom, type Place, type PlaceInLog } from '../../store/place.js';
import { checkTarget } from '../../store/subscription-target.js';
import type { StorageOutage, Subscription, SubscriptionStart, SubscriptionTarget } from '../../store/subscription.js';
import { checkFit } from '../checkpoint/checkpoint-compatibility.js';
import { CheckpointWriter } from '../checkpoint/checkpoint-writer.js';
import type { Consumer, ConsumerState, ConsumerStatus } from '../consumer.js';
import type { CheckedConsumerOptions } from '../consumer-options.js';
import { cutAt } from '../checkpoint/cut-checkpoint.js';
import type { DeadLetter, DeadLetterStore } from '../dead-letters/dead-letter-store.js';
import { HandlerAttempts, type EventHandler } from '../handling/handler-attempts.js';
import { Interrupted } from '../../subscription/interrupted.js';
import type { Tenure } from '../leases/lease-holder.js';
import { StoredCheckpoint } from '../checkpoint/stored-checkpoint.js';
import { instrumentedAttempt } from '../handling/instrumented-attempt.js';
import { ASK_AGAIN_AFTER_MS, mayPass, Outage } from '../../subscription/outage.js';
import { ParkedStreamReleaser } from '../dead-letters/parked-stream-releaser.js';
import { ParkedStreams } from '../dead-letters/parked-streams.js';
import type { Partition } from '../partitions/partition.js';
import { PlaceMemory } from '../../subscription/place-memory.js';
import { HandledPositions } from '../checkpoint/handled-positions.js';
import { type DoneEntry, isInDoubt, transactionalAttempt } from '../handling/transactional-attempt.js';
import { WaitingEvents } from './waiting-events.js';

/** How far the log is read ahead for each place: enough to find events of other streams, and a bound for the memory. */
const EVENTS_WAITING_PER_PLACE = 16;
/** How many events may be dealt with beyond one that is not: the checkpoint lists them. */
const MOST_EVENTS_AHEAD = 4_096;

/** What a consumer is made of. */
export interface ConsumerParts {
  /** Names it for people: `durable`, or else the class and the method. */
  readonly name: string;
  readonly store: EventStore;
  readonly target: SubscriptionTarget;
  /** Where to begin when there is no checkpoint. */
  readonly from: SubscriptionStart;
  readonly options: CheckedConsumerOptions;
  readonly deadLetters: DeadLetterStore;
  readonly handle: EventHandler;
  /** The right to run the handler; undefined where nobody else could. */
  readonly tenure?: Tenure;
  /** Which of the streams are for this consumer; undefined when all are. */
  readonly partition?: Partition;
  /** The places that the consumers before it have come by; left out, there were none. */
  readonly places?: PlaceMemory;
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
 * When the log went back, or another checkpoint is kept than the one it has saved, it is astray: it saves nothing more, lets go
 * what it has taken, waits for what runs, and begins again at the checkpoint that is kept. Or, with `onFork: 'stop'`, it
 * stops, and does so when it is resumed. Meanwhile its state is `catching-up`.
 *
 * With a tenure, it begins nothing once that is over, and `abandon` ends it.
 *
 * After a crash, the events that may have been at work when the process ended are suspects: they are handled one at a
 * time, and each attempt is counted in the checkpoint before it begins. So an event that ends the process is found out and
 * put aside, while those that only stood beside it are not.
 */
export class EventConsumer implements Consumer {
  readonly name: string;

  readonly #parts: ConsumerParts;
  readonly #checkpointName: string;
  /** The one stream that it is for, whose positions it counts in; undefined when it counts in the whole log. */
  readonly #streamId: string | undefined;
  readonly #attempts: HandlerAttempts;
  readonly #parked: ParkedStreams;
  readonly #releases: ParkedStreamReleaser;
  readonly #keeper: CheckpointWriter | undefined;
  readonly #attemptCounts = new Map<number, number>();
  readonly #waiting: WaitingEvents;
  readonly #outage: Outage;
  /** The streams whose events are at work. */
  readonly #busy = new Set<string>();
  /** What was asked for from outside and runs: retries of dead letters, and releases of parked streams. */
  readonly #asked = new Set<Promise<void>>();

  readonly #kept: StoredCheckpoint;
  readonly #places: PlaceMemory;

  #state: 'starting' | 'running' | 'astray' | 'paused' | 'stopped' = 'starting';
  /** Whether what it knows of the log and of its checkpoint is out of date, and has to be found out anew. */
  #isAstray = false;
  /** What makes it astray before it has begun, where it is to stop then. */
  #forkAtOpening: LogForkedError | undefined;
  /** Finds its way back. */
  #returning: Promise<void> | undefined;
  /** The furthest event that it has handed out, or that its checkpoint speaks of. */
  #furthest: Place = { position: 0 };
  #progress = new HandledPositions(0);
  #doneAhead = new Set<number>();
  #suspects = 0;
  #isMarkedRunning = false;
  #started: Promise<void> | undefined;
  #subscription: Subscription | undefined;
  /** The latest call of `resume`, as long as nothing came after it. */
  #resumption: object | undefined;
  #hasEnded = false;
  #isStoppedByPolicy = false;
  #isStoppedByStorage = false;
  /** Whether the last save of the checkpoint has failed. */
  #isUnsaved = false;
  #loop: Promise<void> | undefined;
  #failures = 0;
  #lastError: unknown;
  #waitingForChange: (() => void)[] = [];

  constructor(parts: ConsumerParts) {
    const { name, store, target, options, deadLetters, handle, partition } = parts;
    const checked = checkTarget(target);
    this.#parts = parts;
    this.name = name;
    this.#checkpointName = partition?.name ?? name;
    this.#streamId = checked.streamId;
    this.#attempts = new HandlerAttempts(name, store.name, options, store.clock, handle, () => this.#mayBegin);
    this.#waiting = new WaitingEvents(EVENTS_WAITING_PER_PLACE * options.concurrency);
    this.#outage = new Outage(
      () => store.clock.now(),
      (error) => this.#reportOutage(error),
    );
    const types = typeof target === 'string' ? undefined : target.types;
    this.#parked = new ParkedStreams(
      async (streamId, after) => (await this.#patiently(() => store.read(streamId, after, 100, { types }))).events,
      (event) => this.#dealLater(event),
      () => this.#keeper?.changed(),
    );
    this.#releases = new ParkedStreamReleaser({
      name,
      store,
      deadLetters,
      parked: this.#parked,
      isRunning: () => this.#state === 'running',
      idle: (streamId) => this.#idle(streamId),
      patiently: (ask) => this.#patiently(ask),
      whileItLasts: (act) => this.#onRequest(act),
      halt: (why, error) => this.#halt(why, error),
    });
    this.#kept = new StoredCheckpoint(this.#checkpointName, store, parts.tenure);
    this.#places = parts.places ?? new PlaceMemory();
    this.#keeper = this.#makeKeeper();
  }

  get state(): ConsumerState {
    if (this.#state === 'astray') return 'catching-up';
    if (this.#state !== 'running') return this.#state;
    return this.#subscription?.state === 'live' ? 'live' : 'catching-up';
  }

  get isDurable(): boolean {
    return this.#keeper !== undefined;
  }

  /** Every event up to this position was dealt with: in the stream, or in the log when the target is not one stream. */
  get position(): number {
    return this.#progress.position;
  }

  /** That its storage fails, and it waits for it; undefined when it answers. */
  get outage(): StorageOutage | undefined {
    return this.#outage.current ?? this.#subscription?.outage;
  }

  /** Whether it was stopped by its storage, by damage or another failure that will not pass, and not by its handler. */
  get isStoppedByStorage(): boolean {
    return this.#isStoppedByStorage;
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

  async status(): Promise<ConsumerStatus> {
    const { state, position, failures, lastError } = this;
    const outage = this.outage?.error;
    return { state, position, lag: await this.lag(), failures, lastError, outage };
  }

  open(): Promise<void> {
    this.#started ??= this.#open();
    return this.#started;
  }

  async #open(): Promise<void> {
    try {
      await this.#takePlace(this.#parts.options.onFork === 'rewind');
    } catch (error) {
      if (!(error instanceof LogForkedError)) throw error;
      this.#isAstray = true;
      this.#forkAtOpening = error;
    }
  }

  /**
   * Takes its place in the log: at its checkpoint, if there is one.
   *
   * @param mayRewind whether it may go back to an earlier place, when the log does not go on from there
   * @throws {LogForkedError} when it may not
   */
  async #takePlace(mayRewind: boolean, from = this.#parts.from): Promise<void> {
    const kept = this.isDurable ? await this.#kept.load() : undefined;
    const checkpoint = kept && (await this.#fitted(kept, mayRewind));
    if (checkpoint) this.#restore(checkpoint);
    else this.#restart();
    await this.#subscribe(checkpoint ? { position: checkpoint.position, id: checkpoint.id } : from, !!checkpoint);
    this.#isAstray = false;
    this.#isMarkedRunning = true;
    await this.#keeper?.flush();
  }

  /** Lets `open` fail, if it waits for its place in the log. */
  interruptOpening(): void {
    if (this.#state === 'starting') void this.#subscription?.close();
  }

  /** The checkpoint, as far as the log goes on from it. */
  async #fitted(kept: Checkpoint, mayRewind: boolean): Promise<Checkpoint> {
    const { store, partition } = this.#parts;
    if (!partition) checkFit(this.name, kept, { streamId: this.#streamId, partitions: 1 });
    const place = { position: kept.position, id: kept.id };
    const furthest = kept.furthest ?? place;
    const isThere = (at: Place): Promise<boolean> => this.#isThere(at);
    if (await isThere(furthest)) return kept;
    const { head } = await store.look(this.#streamId ?? null, 0);
    const error = new LogForkedError(`Handler "${this.#checkpointName}"`, furthest.position, head);
    if (!mayRewind) throw error;
    const common = (await isThere(place)) ? place : await this.#places.newest(Math.min(place.position, head), isThere);
    const begin = common ?? { position: 0 };
    store.noteFork(this.name, error, `it begins again after position ${begin.position}`);
    return cutAt(kept, begin);
  }

  async #isThere(at: Place): Promise<boolean> {
    if (at.position === 0) return true;
    return goesOnFrom(at, await this.#parts.store.look(this.#streamId ?? null, at.position));
  }

  /** Knows of nothing that was dealt with. */
  #restart(): void {
    this.#progress = new HandledPositions(0);
    this.#furthest = { position: 0 };
    this.#doneAhead.clear();
    this.#attemptCounts.clear();
    this.#parked.restore([]);
    this.#suspects = 0;
  }

  start(): void {
    if (this.#state !== 'starting') return;
    if (!this.#forkAtOpening) return this.#goOn();
    this.#state = 'running';
    this.#stopForFork(this.#forkAtOpening);
  }

  /** Notes that the log, or what is kept, is another than the one it has dealt with. */
  #goAstray(error: LogForkedError | CheckpointChangedError, from?: Place): void {
    if (this.#isAstray) return;
    this.#isAstray = true;
    this.#isMarkedRunning = false;
    if (this.#state !== 'running') return;
    if (this.isDurable && this.#parts.options.onFork === 'stop') return this.#stopForFork(error);
    this.#state = 'astray';
    const call = (this.#resumption = {});
    this.#returning = this.#findBack(call, from).finally(() => (this.#returning = undefined));
  }

  #stopForFork(error: LogForkedError | CheckpointChangedError): void {
    this.#halt('the log went back; when it is resumed, it begins again at its checkpoint', error);
  }

  async #findBack(call: object, from: Place | undefined): Promise<void> {
    await this.#quiet();
    while (this.#resumption === call) {
      try {
        // Without a checkpoint, a handler of what is new must not begin at an end that lies behind what it has to see.
        const begin =
          this.#parts.from === START
            ? START
            : (from ?? (await this.#places.newest(Infinity, (at) => this.#isThere(at))));
        await this.#takePlace(true, this.isDurable ? begin : from);
        break;
      } catch (error) {
        if (this.#resumption === call) this.#report('could not begin again where it was, and tries again', error);
        await this.#changeWithin(ASK_AGAIN_AFTER_MS);
      }
    }
    // It was paused or stopped meanwhile, or its tenure is over.
    if (this.#resumption !== call) return;
    this.#attempts.resume();
    this.#goOn();
    this.#tellChange();
  }

  /** Lets it not find its way back. */
  async #stay(): Promise<void> {
    this.#tellChange();
    await this.#returning;
  }

  /** Resolves when something has changed here, or after some time. */
  async #changeWithin(ms: number): Promise<void> {
    let cancelTimer: (() => void) | undefined;
    const time = new Promise<void>((resolve) => {
      cancelTimer = this.#parts.store.clock.setTimer(resolve, ms, { background: true });
    });
    await Promise.race([time, this.#change()]);
    cancelTimer?.();
  }

  #goOn(): void {
    this.#state = 'running';
    this.#isStoppedByPolicy = this.#isStoppedByStorage = false;
    this.#loop = this.#run();
    const { tenure, options } = this.#parts;
    this.#releases.start(tenure !== undefined && options.onFailure === 'park-stream');
  }

  async settled(): Promise<void> {
    const throwIfStopped = (): void => {
      if (this.#state === 'paused' || this.#state === 'stopped')
        throw new HandlerStoppedError(this.name, this.#lastError);
    };
    await this.open();
    for (;;) {
      throwIfStopped();
      const subscription = this.#subscription!;
      const isOther = (): boolean => this.#state === 'astray' || this.#subscription !== subscription;
      if (this.#state === 'astray') {
        await this.#change();
        continue;
      }
      try {
        await subscription.caughtUp();
      } catch (error) {
        throwIfStopped();
        if (!isOther()) throw error;
        continue;
      }
      throwIfStopped();
      // What is appended meanwhile is not waited for.
      const upTo = subscription.position;
      while (this.#progress.position < upTo && !isOther()) {
        await this.#change();
        throwIfStopped();
      }
      if (!isOther()) return;
    }
  }

  async pause(): Promise<void> {
    this.#resumption = undefined;
    if (this.#state === 'stopped') return;
    this.#state = 'paused';
    await this.#started;
    if (this.#returning) await this.#stay();
    await this.#quiet();
    // What was never loaded must not be saved over.
    if (this.#isMarkedRunning) await this.#keeper?.flush();
  }

  async resume(): Promise<void> {
    if (this.#hasEnded || (this.#state !== 'paused' && this.#state !== 'stopped')) return;
    const call = (this.#resumption = {});
    await this.open();
    await this.#quiet();
    // A later call has paused, stopped or resumed it; that one decides.
    if (this.#resumption !== call) return;
    if (this.#isAstray) {
      await this.#takePlace(true);
    } else {
      const { position, globalPosition, id, ahead } = this.#progress;
      this.#doneAhead = new Set([...this.#doneAhead, ...ahead]);
      this.#progress = new HandledPositions(position, globalPosition, id);
      await this.#subscribe({ position, id }, true);
    }
    if (this.#resumption !== call) return;
    this.#attempts.resume();
    this.#goOn();
  }

  /**
   * Ends for good. A durable handler begins no event any more, finishes those it is at, and saves its checkpoint; a live
   * one, which nobody reminds of what it missed, first deals with everything appended until now. After the store's
   * `shutdownTimeoutMs` the attempts that run are aborted and not waited for.
   */
  async stop(): Promise<void> {
    this.#hasEnded = true;
    this.#resumption = undefined;
    this.interruptOpening();
    await this.#started?.catch(() => undefined);
    if (this.#returning) await this.#stay();
    const { store } = this.#parts;
    let tellDeadline!: () => void;
    const deadline = new Promise<void>((resolve) => (tellDeadline = resolve));
    const cancelDeadline = store.clock.setTimer(() => {
      if (this.#attempts.running > 0)
        store.logger.error(
          `${this.#checkpointName} is still at work after ${store.shutdownTimeoutMs} ms: it is aborted.`,
        );
      this.#attempts.interrupt();
      this.#attempts.abortRunning();
      tellDeadline();
    }, store.shutdownTimeoutMs);
    if (!this.isDurable && this.#state === 'running')
      await Promise.race([this.settled().catch(() => undefined), deadline]);
    this.#state = 'stopped';
    await this.#quiet();
    cancelDeadline();
    if (this.#isMarkedRunning) {
      this.#isMarkedRunning = false;
      await this.#keeper?.flush().catch((error: unknown) => {
        // That the lease is lost is said where it is noticed; whoever has it now goes on.
        if (!(error instanceof LeaseLostError)) this.#reportUnsaved('could not save its last checkpoint', error);
      });
    }
    this.#keeper?.close();
  }

  /**
   * Ends for good and at once, because somebody else may run the handler now: what runs is aborted, and nothing is saved
   * any more. Resolves when also nothing is being saved.
   */
  async abandon(reason: LeaseLostError): Promise<void> {
    this.#hasEnded = true;
    this.#resumption = undefined;
    this.interruptOpening();
    this.#state = 'stopped';
    this.#isMarkedRunning = false;
    this.#keeper?.close();
    this.#attempts.interrupt();
    this.#attempts.abortRunning(reason);
    await this.#started?.catch(() => undefined);
    if (this.#returning) await this.#stay();
    await this.#quiet();
    await this.#keeper?.idle();
  }

  retry(letter: DeadLetter): Promise<void> {
    return this.#onRequest(async () => {
      if (this.#hasEnded) throw new HandlerStoppedError(this.name);
      try {
        await this.#attempt(letter.event, letter.attempts + 1, true);
      } catch (error) {
        if (error instanceof Interrupted) throw new HandlerStoppedError(this.name);
        this.#noteFailure(error);
        await this.#parts.deadLetters.failedAgain(letter, error);
        throw new HandlerFailedError(this.name, letter.event.id, error);
      }
      await this.#end(letter, this.#parts.deadLetters.handled(letter));
    });
  }

  discard(letter: DeadLetter): Promise<void> {
    return this.#onRequest(() => this.#end(letter, this.#parts.deadLetters.discarded(letter)));
  }

  async #end({ isParked, event }: DeadLetter, kept: Promise<void>): Promise<void> {
    try {
      await kept;
    } finally {
      // Also when that failed: it may have been kept all the same, and then nobody could ask for this again.
      if (isParked) await this.#releases.release(event.streamId);
    }
  }

  /** Lets `stop` wait for what was asked for. */
  async #onRequest(act: () => Promise<void>): Promise<void> {
    const asked = act();
    this.#asked.add(asked);
    try {
      await asked;
    } finally {
      this.#asked.delete(asked);
    }
  }

  /** Resolves when its place in the log was found. @param hasBeenHere whether it got the events before `from` */
  async #subscribe(from: SubscriptionStart, hasBeenHere: boolean): Promise<void> {
    const { name, store, target } = this.#parts;
    const subscription = store.subscribe(target, from, {
      name,
      // The loop has asked for the next event, so every one before was taken.
      onCaughtUp: (position) => this.#passTo(position, this.#subscription?.place.id),
      onGap: ({ trimmedTo }) => this.#passTo(trimmedTo),
      batchSize: this.#parts.options.batchSize,
      // It has told of it.
      onFork: ({ position, head, goesOnAfter }) =>
        this.#goAstray(
          new LogForkedError(`Handler "${this.#checkpointName}"`, position, head),
          goesOnAfter === 0 ? { position: 0 } : subscription.place,
        ),
    });
    this.#subscription = subscription;
    try {
      // Asking for the lag waits until the start was found, which is the first position there is to save.
      await subscription.lag();
    } catch (error) {
      await subscription.close();
      throw error;
    }
    const { position, id } = subscription.place;
    // To a subscription, 0 is the beginning of what is kept: it does not tell that something was removed there.
    if (hasBeenHere && position > this.#progress.position) this.#noteGap(position);
    this.#progress.passTo(position, id);
    this.#places.cutAt(position);
  }

  /** Notes that up to a position there is nothing more for the handler. @param id of the event there, if it is known */
  #passTo(position: number, id?: string): void {
    const before = this.#progress.position;
    this.#progress.passTo(position, id);
    this.#places.add({ position, id });
    if (this.#progress.position === before) return;
    this.#keeper?.passed();
    this.#tellChange();
  }

  #noteGap(trimmedTo: number): void {
    const { name, store } = this.#parts;
    const { position } = this.#progress;
    store.logger.warn(
      `${this.#checkpointName}: retention passed it at position ${position}; it goes on after ${trimmedTo}.`,
    );
    store.metricsCollector.onSubscriptionGap?.({ store: store.name, subscription: name });
  }

  async #run(): Promise<void> {
    const { partition } = this.#parts;
    try {
      for await (const event of this.#subscription!) {
        if (this.#state !== 'running') return;
        if (partition && !partition.has(event.streamId)) {
          this.#passTo(event.globalPosition, event.id);
          continue;
        }
        const position = this.#positionOf(event);
        const done = this.#progress.take(position, event.globalPosition, event.id);
        this.#places.add({ position, id: event.id });
        if (this.#doneAhead.delete(position)) {
          done();
          this.#keeper?.passed();
        } else {
          this.#waiting.add({ event, done });
        }
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
    while (this.#state === 'running' && (this.#waiting.isFull || this.#progress.window >= MOST_EVENTS_AHEAD)) {
      await this.#change();
    }
  }

  /** Gives the oldest waiting events to the handler, as long as there is a place and their streams are not busy. */
  #handOut(): void {
    const places = this.#suspects > 0 ? 1 : this.#parts.options.concurrency;
    while (this.#state === 'running' && this.#busy.size < places && this.#mayBegin) {
      if (this.#keeper?.isFull) {
        void this.#keeper.room().then(() => this.#handOut());
        return;
      }
      const waiting = this.#waiting.take(({ streamId }) => !this.#busy.has(streamId));
      if (!waiting) return;
      const { event, done } = waiting;
      if (this.#parked.passesOver(event)) {
        done();
        this.#keeper?.changed();
        this.#tellChange();
      } else {
        void this.#work(event, done);
      }
    }
  }

  /** Whether it is sure that nobody else runs the handler. */
  get #mayBegin(): boolean {
    return this.#parts.tenure?.isHeld ?? true;
  }

  async #work(event: RecordedEvent, done: () => void): Promise<void> {
    this.#busy.add(event.streamId);
    const position = this.#positionOf(event);
    if (position > this.#furthest.position) this.#furthest = { position, id: event.id };
    try {
      await this.#deal(event);
      if (this.#suspects > 0) this.#suspects--;
      done();
      this.#keeper?.changed();
    } catch (error) {
      if (!(error instanceof Interrupted))
        this.#halt(`it could not deal with event ${event.id}`, error, this.#fieldsOf(event));
      // Its tenure is over, which nobody has said yet.
      else if (this.#state === 'running') this.#waiting.putBack({ event, done });
    } finally {
      this.#busy.delete(event.streamId);
      this.#tellChange();
      this.#handOut();
    }
  }

  /** Deals with an event that was passed over. Nobody hands these out, so it waits here until the checkpoint has caught up. */
  async #dealLater(event: RecordedEvent): Promise<boolean> {
    while (this.#keeper?.isFull) {
      this.#attempts.throwIfInterrupted();
      await Promise.race([this.#keeper.room(), this.#change()]);
    }
    return this.#deal(event);
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
      if (this.#suspects > 0 || count > 0) await this.#countAttempt(position, count + 1);
      count++;
      try {
        await this.#attempt(event, count);
        this.#setCount(position, 0);
        return true;
      } catch (error) {
        if (error instanceof Interrupted) {
          // The consumer ended the attempt, so it does not count.
          this.#setCount(position, count - 1);
          throw error;
        }
        failure = error;
        this.#noteFailure(error);
        if (count < attempts) this.#reportFailedAttempt(event, error, count);
      }
      if (count < attempts) await this.#attempts.pauseAfter(count);
    }
    if (!this.#mayBegin) throw new Interrupted();
    let isParked: boolean;
    try {
      isParked = await this.#giveUp(event, failure, count);
    } finally {
      // Whoever comes back to it, because it could not be put aside or the handler has stopped, tries it as often again.
      this.#setCount(position, 0);
    }
    if (isParked) {
      this.#parked.park(event);
      this.#releases.parked();
    }
    return !isParked;
  }

  /** @param isRetry of a dead letter, of which the checkpoint says nothing */
  #attempt(event: RecordedEvent, attempt: number, isRetry = false): Promise<void> {
    const { name: handler, store, options } = this.#parts;
    const once = (transaction?: unknown): Promise<void> => this.#attempts.once(event, attempt, transaction);
    const make = (): Promise<void> =>
      options.transaction ? this.#transact(once, isRetry ? undefined : this.#doneEntry(event)) : once();
    return inOwnContext(() => instrumentedAttempt(store, { handler, attempt, event }, make));
  }

  /** @throws what the handler fails with. That the storage is away for a while is no failure of it. */
  async #transact(call: (transaction: unknown) => Promise<void>, entry: DoneEntry | undefined): Promise<void> {
    const failure = await this.#patiently(async () => {
      try {
        return await transactionalAttempt(this.#parts.store, call, entry);
      } catch (error) {
        if (entry && (isInDoubt(error) || isOver(error))) throw new Interrupted();
        // Asking again could do it twice.
        if (isInDoubt(error)) return { error };
        // What the engine makes of a transaction that it has begun may be the handler's doing.
        if (mayPass(error) && !(error instanceof EventStoreError)) return { error };
        throw error;
      }
    });
    if (failure) throw failure.error;
  }

  /** Commits follow one another, since each writes the one checkpoint, and none must undo what the one before has kept. */
  #doneEntry(event: RecordedEvent): DoneEntry {
    const { tenure } = this.#parts;
    let endTurn: (() => void) | undefined;
    let undo: (() => void) | undefined;
    let checkpoint: Checkpoint | undefined;
    return {
      write: async (transaction) => {
        endTurn = await this.#keeper!.turn();
        // The one before may be in doubt.
        if (!this.#mayBegin) throw new Interrupted();
        undo = this.#countAsDone(event);
        checkpoint = this.#checkpoint();
        await this.#kept.saveIn(transaction, checkpoint, this.#furthestPlace());
      },
      kept: () => {
        if (checkpoint) this.#kept.saved(checkpoint);
        endTurn?.();
      },
      notKept: (error) => {
        undo?.();
        this.#noteAstray(error);
        if (isInDoubt(error)) this.#report('could not learn whether it was kept, and begins at its checkpoint', error);
        // Whoever has the lease next, here or elsewhere, learns from the checkpoint what was kept.
        if (isInDoubt(error) || error instanceof LeaseLostError) tenure?.lost();
        endTurn?.();
        undo = endTurn = checkpoint = undefined;
      },
    };
  }

  /** @returns undoes it */
  #countAsDone(event: RecordedEvent): () => void {
    const { globalPosition } = event;
    const attempts = this.#attemptCounts.get(globalPosition) ?? 0;
    this.#setCount(globalPosition, 0);
    const position = this.#positionOf(event);
    const undoParked = this.#parked.dealtWith(event);
    if (!undoParked) this.#doneAhead.add(position);
    return () => {
      this.#setCount(globalPosition, attempts);
      if (undoParked) undoParked();
      else this.#doneAhead.delete(position);
    };
  }

  /** In what the target counts in. */
  #positionOf({ position, globalPosition }: RecordedEvent): number {
    return this.#streamId === undefined ? globalPosition : position;
  }

  /** Keeps the count before the attempt begins, in case the attempt ends the process. @throws {Interrupted} */
  async #countAttempt(position: number, count: number): Promise<void> {
    while (this.#keeper) {
      this.#setCount(position, count);
      try {
        await this.#keeper.flush();
        // After a crash any of these may be the event that ends the process: the count has to be there the next time.
        if (this.#suspects > 0) await this.#parts.store.flush();
        this.#outage.answered();
        return;
      } catch (error) {
        this.#setCount(position, count - 1);
        if (isOver(error)) throw new Interrupted();
        this.#outage.failed(error);
      }
      await this.#attempts.pause(ASK_AGAIN_AFTER_MS);
    }
  }

  #setCount(position: number, count: number): void {
    if (count > 0) this.#attemptCounts.set(position, count);
    else this.#attemptCounts.delete(position);
  }

  /** @returns whether the event's stream is to be parked. @throws the failure, when the policy is to stop */
  async #giveUp(event: RecordedEvent, failure: unknown, attempts: number): Promise<boolean> {
    const { name, store, options, deadLetters } = this.#parts;
    const times = attempts === 1 ? 'once' : `${attempts} times`;
    const what = `failed ${times} on event ${event.id}, at position ${event.position} of stream "${event.streamId}"`;
    const fields = this.#fieldsOf(event, attempts);
    const { onFailure: policy } = options;
    const isParked = policy === 'park-stream';
    if (isParked || policy === 'dead-letter') {
      const letter = { subscription: name, event, error: failure, attempts, isParked };
      await this.#patiently(() => deadLetters.add(letter));
    }
    store.metricsCollector.onHandlerGaveUp?.({ store: store.name, handler: name, policy });
    if (policy === 'stop') {
      this.#isStoppedByPolicy = true;
      throw failure;
    }
    if (policy === 'skip') {
      this.#report(`${what}; it goes on with the next`, failure, fields);
      return false;
    }
    this.#report(`${what}; the event is a dead letter now${isParked ? ', and its stream waits' : ''}`, failure, fields);
    return isParked;
  }

  /** Asks again while the storage fails. @throws {Interrupted} when the consumer was stopped meanwhile */
  async #patiently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return this.#outage.outlast(ask, (ms) => this.#attempts.pause(ms));
  }

  #halt(why: string, error: unknown, fields?: LogFields): void {
    this.#lastError = error;
    if (this.#state !== 'running') return;
    this.#state = 'stopped';
    this.#isStoppedByStorage = !this.#isStoppedByPolicy;
    this.#report(`has stopped: ${why}`, error, fields);
    void this.#quiet();
  }

  /** Takes and begins nothing more; resolves when nothing runs. */
  async #quiet(): Promise<void> {
    this.#attempts.interrupt();
    const released = this.#releases.stop();
    await this.#subscription?.close();
    await released;
    this.#waiting.clear();
    this.#tellChange();
    await this.#loop;
    while (this.#busy.size > 0) await this.#change();
    await Promise.allSettled(this.#asked);
  }

  #makeKeeper(): CheckpointWriter | undefined {
    const { store, options } = this.#parts;
    if (options.durable === undefined) return undefined;
    return new CheckpointWriter(
      () => this.#checkpoint(),
      async (checkpoint) => {
        await this.#save(checkpoint);
        this.#isUnsaved = false;
      },
      options.checkpointEvery,
      options.checkpointIntervalMs,
      store.clock,
      (error) => {
        // It was told what has become of it, and begins again.
        if (!isOver(error)) this.#noteUnsaved(error);
      },
    );
  }

  async #save(checkpoint: Checkpoint): Promise<void> {
    const { tenure } = this.#parts;
    // What it knows is of another log than the one that would keep it.
    if (this.#isAstray) throw new CheckpointChangedError(this.#checkpointName);
    try {
      await this.#kept.save(checkpoint, this.#furthestPlace());
    } catch (error) {
      if (error instanceof LeaseLostError) tenure?.lost();
      this.#noteAstray(error);
      throw error;
    }
  }

  /** When the engine has refused a checkpoint because the log, or what is kept, is another one. */
  #noteAstray(error: unknown): void {
    if (this.#isAstray || !(error instanceof LogForkedError || error instanceof CheckpointChangedError)) return;
    this.#parts.store.noteFork(this.name, error, 'it begins again at the checkpoint that is kept');
    this.#goAstray(error);
  }

  /** The furthest place that the checkpoint speaks of. */
  #furthestPlace(): PlaceInLog {
    const { position, id } = this.#progress;
    return {
      streamId: this.#streamId ?? null,
      ...(this.#furthest.position > position ? this.#furthest : { position, id }),
    };
  }

  #checkpoint(): Checkpoint {
    const { position, globalPosition, id } = this.#progress;
    this.#forgetWhatIsOver();
    return {
      streamId: this.#streamId ?? null,
      position,
      ...(id !== undefined && { id }),
      ...(this.#furthest.position > position && { furthest: this.#furthest }),
      globalPosition: Math.min(this.#streamId === undefined ? position : globalPosition, this.#parked.dealtWithTo),
      ahead: [...new Set([...this.#doneAhead, ...this.#progress.ahead])].sort((a, b) => a - b),
      attempts: [...this.#attemptCounts].map(([position, count]) => ({ position, count })),
      parked: this.#parked.list(),
      isRunning: this.#isMarkedRunning,
    };
  }

  /** Retention may have removed events that an earlier process had begun: they are waited for in vain. */
  #forgetWhatIsOver(): void {
    const { position, window } = this.#progress;
    for (const done of this.#doneAhead) if (done <= position) this.#doneAhead.delete(done);
    const isAllTaken = this.#subscription?.state === 'live';
    if (!isAllTaken || window > 0 || this.#parked.list().length > 0) return;
    this.#attemptCounts.clear();
    this.#suspects = 0;
  }

  #restore({ position, id, furthest, globalPosition, ahead, attempts, parked, isRunning }: Checkpoint): void {
    const { checkpointEvery, concurrency } = this.#parts.options;
    this.#restart();
    this.#progress = new HandledPositions(position, globalPosition ?? 0, id);
    this.#furthest = furthest ?? { position, id };
    this.#places.cutAt(this.#furthest.position);
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

  #reportOutage(error: unknown): void {
    const { store } = this.#parts;
    store.metricsCollector.onBackgroundFailure?.({ store: store.name, operation: 'subscription' });
    store.logger.warn(`${this.#checkpointName} waits for its storage, and tries again: ${messageOf(error)}`);
  }

  /** Says it once, until a checkpoint is saved again. */
  #noteUnsaved(error: unknown): void {
    if (!this.#isUnsaved) this.#reportUnsaved('could not save its checkpoint, and tries again', error);
    this.#isUnsaved = true;
  }

  #reportUnsaved(what: string, error: unknown): void {
    const { store } = this.#parts;
    store.metricsCollector.onBackgroundFailure?.({ store: store.name, operation: 'checkpoint' });
    this.#report(what, error);
  }

  /** Without the stack: that comes once, when the handler gives the event up. */
  #reportFailedAttempt(event: RecordedEvent, error: unknown, attempt: number): void {
    const { store, options } = this.#parts;
    const place = `event ${event.id}, at position ${event.position} of stream "${event.streamId}"`;
    store.logger.warn(
      `${this.#checkpointName} failed at attempt ${attempt} of ${options.retry.attempts} on ${place}: ${messageOf(error)}`,
      this.#fieldsOf(event, attempt),
    );
  }

  #fieldsOf({ id, streamId, position, globalPosition }: RecordedEvent, attempt?: number): LogFields {
    const { name, store } = this.#parts;
    const place = { handler: name, store: store.name, event: id, stream: streamId, position, globalPosition };
    return attempt === undefined ? place : { ...place, attempt };
  }

  #report(what: string, error: unknown, fields?: LogFields): void {
    const { logger } = this.#parts.store;
    logger.error(`${this.#checkpointName} ${what}: ${messageOf(error)}`, stackOf(error), fields);
  }

  async #idle(streamId: string): Promise<void> {
    while (this.#busy.has(streamId)) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waitingForChange.push(resolve));
  }

  #tellChange(): void {
    for (const tell of this.#waitingForChange.splice(0)) tell();
  }
}

/** Whether the right to save, or what was to be saved, is out of date. */
function isOver(error: unknown): boolean {
  return error instanceof LeaseLostError || error instanceof LogForkedError || error instanceof CheckpointChangedError;
}
