import type { Checkpoint } from '../../store/values/checkpoint.js';
import { START } from '../../store/values/cursor.js';
import {
  CheckpointChangedError,
  HandlerStoppedError,
  LeaseLostError,
  LogForkedError,
  UpcastFailedError,
} from '../../store/values/errors.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { LogFields } from '../../store/ports/logger.js';
import type { Place } from '../../store/values/place.js';
import { checkTarget } from '../../store/ports/subscription-target.js';
import type { StorageOutage } from '../../store/ports/subscription.js';
import { ASK_AGAIN_AFTER_MS, Outage } from '../../subscription/outage.js';
import { PlaceMemory } from '../../subscription/place-memory.js';
import { checkFit } from '../checkpoint/checkpoint-compatibility.js';
import { CheckpointState } from '../checkpoint/checkpoint-state.js';
import { CheckpointWriter } from '../checkpoint/checkpoint-writer.js';
import { LogPlaces } from '../checkpoint/log-places.js';
import { isOutOfDate, StoredCheckpoint } from '../checkpoint/stored-checkpoint.js';
import type { Consumer, ConsumerState, ConsumerStatus } from '../consumer.js';
import type { ConsumerParts } from '../consumer-parts.js';
import type { DeadLetter } from '../dead-letters/dead-letter-store.js';
import { ParkedStreamReleaser } from '../dead-letters/parked-stream-releaser.js';
import { ParkedStreams } from '../dead-letters/parked-streams.js';
import { EventHandling } from '../handling/event-handling.js';
import { HandlerAttempts } from '../handling/handler-attempts.js';
import { HandlerReport } from '../handling/handler-report.js';
import { ChangeSignal } from './change-signal.js';
import { ConsumerRun, EVENTS_WAITING_PER_PLACE, type RunningConsumer } from './consumer-run.js';
import { DeadLetterRequests } from './dead-letter-requests.js';
import { internalsOf } from '../../store/store-internals.js';

/**
 * Feeds a handler with the events of a subscription, several streams at a time and each stream in order.
 *
 * This is the state machine; what it does between two changes of state is a `ConsumerRun`, what becomes of one event an
 * `EventHandling`, and what its checkpoint says a `CheckpointState`.
 *
 * - `starting`: the checkpoint is being loaded, or `start` was not called yet.
 * - `running`: as its subscription, `catching-up` or `live`.
 * - `astray`: the log went back, or another checkpoint is kept than the one it has saved. It saves nothing more, lets go what
 *   it has taken, waits for what is at work, and begins again at the checkpoint that is kept. Shown as `catching-up`. With
 *   `onFork: 'stop'` it stops instead, and begins again when it is resumed.
 * - `paused`: `pause` was called. Events that were taken and not begun are forgotten; `resume` takes them again.
 * - `stopped`: the policy `stop` met a failure, a dead letter could not be kept, the subscription failed, or the
 *   application ends. Until it ends, `resume` begins again where it stopped.
 *
 * With a tenure, it begins nothing once that is over, and `abandon` ends it.
 *
 * After a crash, events are handled one at a time until none is left that may have been at work when the process ended, and
 * each attempt is counted in the checkpoint before it begins. So a poison event, which ends the process, is found out and put
 * aside, while those that only stood beside it are not.
 */
export class EventConsumer implements Consumer {
  readonly name: string;

  readonly #parts: ConsumerParts;
  /** How the log calls it, and what its checkpoint is kept under: its name, with the partition. */
  readonly #label: string;
  readonly #checkpoint: CheckpointState;
  readonly #stored: StoredCheckpoint;
  readonly #writer: CheckpointWriter | undefined;
  readonly #places: LogPlaces;
  readonly #attempts: HandlerAttempts;
  readonly #handling: EventHandling;
  readonly #releaser: ParkedStreamReleaser;
  readonly #requests: DeadLetterRequests;
  readonly #report: HandlerReport;
  readonly #outage: Outage;
  readonly #change: ChangeSignal;
  readonly #running: RunningConsumer;

  #state: 'starting' | 'running' | 'astray' | 'paused' | 'halted' | 'ended' = 'starting';
  /** The latest one; it has ended unless the state is `starting` or `running`. */
  #run: ConsumerRun | undefined;
  #opening: Promise<void> | undefined;
  /** Whether what it knows of the log and of its checkpoint is out of date, and has to be found out anew. */
  #isAstray = false;
  /** What makes it astray before it has begun, where it is to stop then. */
  #forkAtOpening: LogForkedError | undefined;
  /** Finds its way back. */
  #returning: Promise<void> | undefined;
  /** The latest call of `resume`, as long as nothing came after it. */
  #resumption: object | undefined;
  #hasEnded = false;
  #isHaltedByPolicy = false;
  #isHaltedByStorage = false;
  #isHaltedByNewerEvent = false;

  constructor(parts: ConsumerParts) {
    const { name, store, target, options, deadLetters, handle, partition, tenure } = parts;
    const { streamId } = checkTarget(target);
    const types = typeof target === 'string' ? undefined : target.types;
    this.#parts = parts;
    this.name = name;
    this.#label = partition?.name ?? name;
    this.#change = new ChangeSignal(store.clock);
    this.#report = new HandlerReport(name, this.#label, store);
    this.#outage = new Outage(
      () => store.clock.now(),
      (error) => this.#report.outage(error),
    );
    const mayBegin = (): boolean => tenure?.isHeld ?? true;
    this.#attempts = new HandlerAttempts(name, store.name, options, store.clock, handle, mayBegin);
    const parked = new ParkedStreams(
      async (id, after) => (await this.#handling.patiently(() => store.read(id, after, 100, { types }))).events,
      (event) => this.#handlePassedOver(event),
      () => this.#writer?.changed(),
    );
    this.#checkpoint = new CheckpointState(streamId, parked);
    this.#stored = new StoredCheckpoint(this.#label, store, tenure);
    this.#writer = options.durable === undefined ? undefined : this.#makeWriter();
    this.#handling = new EventHandling({
      parts,
      attempts: this.#attempts,
      checkpoint: this.#checkpoint,
      stored: this.#stored,
      writer: this.#writer,
      outage: this.#outage,
      report: this.#report,
      mayBegin,
      toCheckpoint: () => this.#toCheckpoint(),
      noteAstray: (error) => this.#noteAstray(error),
      noteHaltByPolicy: () => (this.#isHaltedByPolicy = true),
    });
    this.#releaser = new ParkedStreamReleaser({
      name,
      store,
      deadLetters,
      parked,
      isRunning: () => this.#state === 'running',
      idle: async (id) => this.#run?.idle(id),
      patiently: (ask) => this.#handling.patiently(ask),
      whileItLasts: (act) => this.#requests.untilDone(act),
      halt: (why, error) => this.#halt(why, error),
    });
    this.#requests = new DeadLetterRequests(
      name,
      deadLetters,
      this.#handling,
      this.#releaser,
      this.#report,
      () => this.#hasEnded,
    );
    const places = parts.places ?? new PlaceMemory();
    this.#places = new LogPlaces(store, streamId, places);
    this.#running = {
      parts,
      label: this.#label,
      checkpoint: this.#checkpoint,
      writer: this.#writer,
      parked,
      places,
      report: this.#report,
      change: this.#change,
      isRunning: () => this.#state === 'running',
      mayBegin,
      handle: (event) => this.#handle(event),
      goAstray: (error, from) => this.#goAstray(error, from),
      ended: () => (this.#state = 'ended'),
      failed: (why, error, event) => this.#halt(why, error, event && this.#report.fieldsOf(event)),
    };
  }

  get state(): ConsumerState {
    if (this.#state === 'astray') return 'catching-up';
    if (this.#state !== 'running') return this.#state;
    return this.#run?.subscription?.state === 'live' ? 'live' : 'catching-up';
  }

  get isDurable(): boolean {
    return this.#writer !== undefined;
  }

  /** Every event up to this position was handled: in the stream, or in the log when the target is not one stream. */
  get position(): number {
    return this.#checkpoint.position;
  }

  /** That its storage fails, and it waits for it; undefined when it answers. */
  get outage(): StorageOutage | undefined {
    return this.#outage.current ?? this.#run?.subscription?.outage;
  }

  /** Whether it was halted by its storage, by damage or another failure that will not pass, and not by its handler. */
  get isHaltedByStorage(): boolean {
    return this.#isHaltedByStorage;
  }

  /** Whether it was halted by an event that only a later release can read: another process may run one. */
  get isHaltedByNewerEvent(): boolean {
    return this.#isHaltedByNewerEvent;
  }

  /** How many attempts have failed since the application started. */
  get failures(): number {
    return this.#report.failures;
  }

  /** What the latest failed attempt met, or what stopped the handler; undefined when nothing did. */
  get lastError(): unknown {
    return this.#report.lastError;
  }

  /** How many positions lie between `position` and the end of the stream or of the log. */
  async lag(): Promise<number> {
    const subscription = this.#run?.subscription;
    if (!subscription) return 0;
    return (await subscription.lag()) + Math.max(0, subscription.position - this.#checkpoint.position);
  }

  async status(): Promise<ConsumerStatus> {
    const { state, position, failures, lastError } = this;
    const outage = this.outage?.error;
    return { state, position, lag: await this.lag(), failures, lastError, outage };
  }

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
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
    const kept = this.isDurable ? await this.#stored.load() : undefined;
    const checkpoint = kept && (await this.#fitted(kept, mayRewind));
    if (checkpoint) this.#restore(checkpoint);
    else this.#checkpoint.clear();
    const run = (this.#run = new ConsumerRun(this.#running));
    await run.takePlace(checkpoint ? { position: checkpoint.position, id: checkpoint.id } : from, !!checkpoint);
    this.#isAstray = false;
    this.#checkpoint.isRunning = true;
    await this.#writer?.flush();
  }

  /** Lets `open` fail, if it waits for its place in the log. */
  interruptOpening(): void {
    if (this.#state === 'starting') void this.#run?.subscription?.close();
  }

  /** The checkpoint, as far as the log goes on from it. */
  async #fitted(kept: Checkpoint, mayRewind: boolean): Promise<Checkpoint> {
    const { name, partition } = this.#parts;
    if (!partition) checkFit(name, kept, { streamId: this.#checkpoint.streamId, partitions: 1 });
    return this.#places.fit(kept, { name, label: this.#label }, mayRewind);
  }

  #restore(checkpoint: Checkpoint): void {
    const { checkpointEvery, concurrency } = this.#parts.options;
    // Those begun since the checkpoint was saved are among so many: handled and not saved, at work, or waiting.
    const suspects = checkpointEvery + (2 + EVENTS_WAITING_PER_PLACE) * concurrency;
    this.#checkpoint.restore(checkpoint, checkpoint.isRunning ? suspects : 0);
    this.#running.places.cutAt(this.#checkpoint.furthest.position);
  }

  start(): void {
    if (this.#state !== 'starting') return;
    if (!this.#forkAtOpening) return this.#goOn();
    this.#state = 'running';
    this.#stopForFork(this.#forkAtOpening);
  }

  /** Notes that the log, or what is kept, is another than the one it knows. */
  #goAstray(error: LogForkedError | CheckpointChangedError, from?: Place): void {
    if (this.#isAstray) return;
    this.#isAstray = true;
    this.#checkpoint.isRunning = false;
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
        const begin = this.#parts.from === START ? START : (from ?? (await this.#places.newest()));
        await this.#takePlace(true, this.isDurable ? begin : from);
        break;
      } catch (error) {
        if (this.#resumption === call) this.#report.error('could not begin again where it was, and tries again', error);
        await this.#change.nextWithin(ASK_AGAIN_AFTER_MS);
      }
    }
    // It was paused or stopped meanwhile, or its tenure is over.
    if (this.#resumption !== call) return;
    this.#attempts.resume();
    this.#goOn();
    this.#change.tell();
  }

  /** Lets it not find its way back. */
  async #stay(): Promise<void> {
    this.#change.tell();
    await this.#returning;
  }

  #goOn(): void {
    this.#state = 'running';
    this.#isHaltedByPolicy = this.#isHaltedByStorage = this.#isHaltedByNewerEvent = false;
    this.#run!.begin();
    const { tenure, options } = this.#parts;
    this.#releaser.start(tenure !== undefined && options.onFailure === 'park-stream');
  }

  async settled(): Promise<void> {
    const throwIfStopped = (): void => {
      if (this.#state === 'paused' || this.#state === 'halted' || this.#state === 'ended')
        throw new HandlerStoppedError(this.name, this.#report.lastError);
    };
    await this.open();
    for (;;) {
      throwIfStopped();
      const run = this.#run!;
      const subscription = run.subscription!;
      const isOther = (): boolean => this.#state === 'astray' || this.#run !== run;
      if (this.#state === 'astray') {
        await this.#change.next();
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
      while (this.#checkpoint.position < upTo && !isOther()) {
        await this.#change.next();
        throwIfStopped();
      }
      if (!isOther()) return;
    }
  }

  async pause(): Promise<void> {
    this.#resumption = undefined;
    if (this.#state === 'halted' || this.#state === 'ended') return;
    this.#state = 'paused';
    await this.#opening;
    if (this.#returning) await this.#stay();
    await this.#quiet();
    // What was never loaded must not be saved over.
    if (this.#checkpoint.isRunning) await this.#writer?.flush();
  }

  async resume(): Promise<void> {
    if (this.#hasEnded || (this.#state !== 'paused' && this.#state !== 'halted')) return;
    const call = (this.#resumption = {});
    await this.open();
    await this.#quiet();
    // A later call has paused, stopped or resumed it; that one decides.
    if (this.#resumption !== call) return;
    if (this.#isAstray) {
      await this.#takePlace(true);
    } else {
      this.#checkpoint.takeAgain();
      const run = (this.#run = new ConsumerRun(this.#running));
      await run.takePlace(this.#checkpoint.place, true);
    }
    if (this.#resumption !== call) return;
    this.#attempts.resume();
    this.#goOn();
  }

  /**
   * Ends for good. A durable handler begins no event any more, finishes those it is at, and saves its checkpoint; a live
   * one, which nobody reminds of what it missed, first handles everything appended until now. After the store's
   * `shutdownTimeoutMs` the attempts that run are aborted and not waited for.
   */
  async stop(): Promise<void> {
    this.#hasEnded = true;
    this.#resumption = undefined;
    this.interruptOpening();
    await this.#opening?.catch(() => undefined);
    if (this.#returning) await this.#stay();
    const { store } = this.#parts;
    let tellDeadline!: () => void;
    const deadline = new Promise<void>((resolve) => (tellDeadline = resolve));
    const cancelDeadline = store.clock.setTimer(() => {
      if (this.#attempts.running > 0)
        store.logger.error(
          `${this.#label} did not finish within shutdownTimeoutMs (${internalsOf(store).shutdownTimeoutMs} ms). Its attempts were aborted.`,
        );
      this.#attempts.interrupt();
      this.#attempts.abortRunning();
      tellDeadline();
    }, internalsOf(store).shutdownTimeoutMs);
    if (!this.isDurable && this.#state === 'running')
      await Promise.race([this.settled().catch(() => undefined), deadline]);
    this.#state = 'ended';
    await this.#quiet();
    cancelDeadline();
    if (this.#checkpoint.isRunning) {
      this.#checkpoint.isRunning = false;
      await this.#writer?.flush().catch((error: unknown) => {
        // That the lease is lost is said where it is noticed; whoever has it now goes on.
        if (!(error instanceof LeaseLostError)) this.#report.notSaved('could not save its last checkpoint', error);
      });
    }
    this.#writer?.close();
  }

  /**
   * Ends for good and at once, because somebody else may run the handler now: what runs is aborted, and nothing is saved
   * any more. Resolves when also nothing is being saved.
   */
  async abandon(reason: LeaseLostError): Promise<void> {
    this.#hasEnded = true;
    this.#resumption = undefined;
    this.interruptOpening();
    this.#state = 'ended';
    this.#checkpoint.isRunning = false;
    this.#writer?.close();
    this.#attempts.interrupt();
    this.#attempts.abortRunning(reason);
    await this.#opening?.catch(() => undefined);
    if (this.#returning) await this.#stay();
    await this.#quiet();
    await this.#writer?.idle();
  }

  retry(letter: DeadLetter): Promise<void> {
    return this.#requests.retry(letter);
  }

  discard(letter: DeadLetter): Promise<void> {
    return this.#requests.discard(letter);
  }

  /** @returns false when its stream is parked now */
  async #handle(event: RecordedEvent): Promise<boolean> {
    if ((await this.#handling.handle(event)) !== 'stream parked') return true;
    this.#running.parked.park(event);
    this.#releaser.parked();
    return false;
  }

  /** Handles an event that was passed over. Nobody hands these out, so it waits here until the checkpoint has caught up. */
  async #handlePassedOver(event: RecordedEvent): Promise<boolean> {
    while (this.#writer?.isFull) {
      this.#attempts.throwIfInterrupted();
      await Promise.race([this.#writer.room(), this.#change.next()]);
    }
    return this.#handle(event);
  }

  #halt(why: string, error: unknown, fields?: LogFields): void {
    this.#report.failed(error);
    if (this.#state !== 'running') return;
    this.#state = 'halted';
    this.#isHaltedByNewerEvent = error instanceof UpcastFailedError && error.isNewer;
    this.#isHaltedByStorage = !this.#isHaltedByPolicy && !this.#isHaltedByNewerEvent;
    this.#report.error(`has stopped: ${why}`, error, fields);
    void this.#quiet();
  }

  /** Takes and begins nothing more; resolves when nothing is at work. */
  async #quiet(): Promise<void> {
    this.#attempts.interrupt();
    const released = this.#releaser.stop();
    await this.#run?.end();
    await released;
    await this.#requests.idle();
  }

  #makeWriter(): CheckpointWriter {
    const { store, options } = this.#parts;
    return new CheckpointWriter(
      () => this.#toCheckpoint(),
      async (checkpoint) => {
        await this.#save(checkpoint);
        this.#report.saved();
      },
      options.checkpointEvery,
      options.checkpointIntervalMs,
      store.clock,
      (error) => {
        // It was told what has become of it, and begins again.
        if (!isOutOfDate(error)) this.#report.unsaved(error);
      },
    );
  }

  async #save(checkpoint: Checkpoint): Promise<void> {
    // What it knows is of another log than the one that would keep it.
    if (this.#isAstray) throw new CheckpointChangedError(this.#label);
    try {
      await this.#stored.save(checkpoint, this.#checkpoint.furthest);
    } catch (error) {
      if (error instanceof LeaseLostError) this.#parts.tenure?.lost();
      this.#noteAstray(error);
      throw error;
    }
  }

  #toCheckpoint(): Checkpoint {
    return this.#checkpoint.toCheckpoint(this.#run?.subscription?.state === 'live');
  }

  /** When the engine has refused a checkpoint because the log, or what is kept, is another one. */
  #noteAstray(error: unknown): void {
    if (this.#isAstray || !(error instanceof LogForkedError || error instanceof CheckpointChangedError)) return;
    internalsOf(this.#parts.store).noteFork(this.name, error, 'it begins again at the checkpoint that is kept');
    this.#goAstray(error);
  }
}
