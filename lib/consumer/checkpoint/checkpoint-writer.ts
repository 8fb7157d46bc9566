import type { Checkpoint } from '../../store/values/checkpoint.js';
import type { Clock } from '../../store/values/clock.js';
import type { MaybePromise } from '../../store/values/maybe-promise.js';

const RETRY_AFTER_MS = 1_000;
/**
 * How long it may stay unsaved that there was nothing for the handler up to some place. Until then retention may wait for
 * it in vain, and a restart would look there once more; a handler of rare events is not to write all the time.
 */
const PASSED_INTERVAL_MS = 60_000;

/**
 * Saves a checkpoint now and then: after a number of changes, or some time after the first of them.
 *
 * One save runs at a time, and each writes what is true when it begins. A save that fails is tried again until it works;
 * meanwhile `room` keeps the handler from running further ahead of its checkpoint.
 */
export class CheckpointWriter {
  #unsaved = 0;
  #saving: Promise<void> | undefined;
  #hasPassed = false;
  #cancelTimer: (() => void) | undefined;
  #cancelPassedTimer: (() => void) | undefined;
  #waiting: (() => void)[] = [];
  #isClosed = false;
  /** Resolves when who saves has ended; undefined when nobody does. */
  #turn: Promise<void> | undefined;

  /**
   * @param current what is to be saved
   * @param every how many changes may stay unsaved
   * @param intervalMs how long a change may stay unsaved
   * @param onFailure told of each save that failed and is tried again
   */
  constructor(
    private readonly current: () => Checkpoint,
    private readonly save: (checkpoint: Checkpoint) => MaybePromise<void>,
    private readonly every: number,
    private readonly intervalMs: number,
    private readonly clock: Clock,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  /** Says that an event was handled. */
  changed(): void {
    this.#unsaved++;
    if (!this.isFull) this.#saveIn(this.intervalMs);
    else if (!this.#saving) void this.#saveInBackground();
  }

  /** Says that there was nothing to handle up to a further place. */
  passed(): void {
    if (this.#isClosed) return;
    this.#hasPassed = true;
    const save = (): void => void this.#saveInBackground();
    this.#cancelPassedTimer ??= this.clock.setTimer(save, PASSED_INTERVAL_MS, { background: true });
  }

  /** Whether as many changes are unsaved as may be. */
  get isFull(): boolean {
    return this.#unsaved >= this.every && !this.#isClosed;
  }

  /** Resolves when `isFull` may have become false. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Saves what is true now. @throws what saving fails with */
  async flush(): Promise<void> {
    // A save that is running may have begun before the last change.
    if (this.#saving) await this.#saving.catch(() => undefined);
    await (this.#saving ??= this.#saveOnce());
  }

  /** Resolves when nothing is being saved. */
  async idle(): Promise<void> {
    // Whoever has called `flush` meanwhile comes next.
    while (this.#saving) await this.#saving.catch(() => undefined);
  }

  /**
   * For who saves the checkpoint by itself: resolves when nobody is saving, and nobody is until the function is called that
   * it resolves with.
   */
  async turn(): Promise<() => void> {
    while (this.#turn) await this.#turn;
    return this.#takeTurn();
  }

  #takeTurn(): () => void {
    let tellEnd!: () => void;
    this.#turn = new Promise((resolve) => (tellEnd = resolve));
    return () => {
      this.#turn = undefined;
      tellEnd();
    };
  }

  /** Ends the timers. What is unsaved stays so. */
  close(): void {
    this.#isClosed = true;
    this.#endTimer();
    this.#makeRoom();
  }

  #saveIn(delayMs: number): void {
    if (this.#isClosed) return;
    this.#cancelTimer ??= this.clock.setTimer(() => void this.#saveInBackground(), delayMs, { background: true });
  }

  async #saveInBackground(): Promise<void> {
    if (this.#isClosed) return;
    this.#endTimer();
    // A failure is reported and tried again where it is met.
    await this.flush().catch(() => undefined);
  }

  async #saveOnce(): Promise<void> {
    const saved = this.#unsaved;
    const savesPassing = this.#hasPassed;
    this.#hasPassed = false;
    this.#endTimer();
    try {
      await this.#write();
    } catch (error) {
      this.#saving = undefined;
      this.#hasPassed ||= savesPassing;
      this.#retryLater(error);
      throw error;
    }
    this.#saving = undefined;
    this.#unsaved -= saved;
    // More may have changed meanwhile.
    if (this.isFull) return void this.#saveInBackground();
    this.#makeRoom();
    if (this.#unsaved > 0) this.#saveIn(this.intervalMs);
  }

  async #write(): Promise<void> {
    const endTurn = this.#turn ? await this.turn() : this.#takeTurn();
    try {
      await this.save(this.current());
    } finally {
      endTurn();
    }
  }

  #retryLater(error: unknown): void {
    if ((this.#unsaved === 0 && !this.#hasPassed) || this.#isClosed) return;
    this.onFailure(error);
    this.#endTimer();
    this.#saveIn(RETRY_AFTER_MS);
  }

  #endTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#cancelPassedTimer?.();
    this.#cancelPassedTimer = undefined;
  }

  #makeRoom(): void {
    for (const goOn of this.#waiting.splice(0)) goOn();
  }
}
