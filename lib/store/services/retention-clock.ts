import ms from 'ms';
import { monotonic } from '../values/clock.js';
import type { CheckedEventStoreOptions } from '../event-store-options.js';
import { isPromise, type MaybePromise } from '../values/maybe-promise.js';
import type { LogTime, StorageEngine } from '../ports/storage-engine.js';

/** How much faster than time itself retention may go, to catch up with a clock that has jumped ahead. */
const FASTEST = 2;

/** A clock that is ahead by less is nothing to talk about. */
const TALKED_ABOUT_MS = 60_000;
/** Nor is a log to which nothing was appended for less than this when it is opened. */
const LONG_QUIET_MS = 86_400_000;

/** A time, and when that was by the monotonic clock. */
interface Moment {
  readonly time: number;
  readonly at: number;
}

/**
 * The time that retention goes by. A clock can be wrong: for a moment, because of a bad answer of a time server, or on one
 * computer of many. What it takes for the past is hidden, and then removed for good.
 *
 * So this time is never later than the clock of this process, nor than that of all who share the log, where the engine has
 * one. It goes on no faster than twice the monotonic clock: a clock that is wrong for an hour makes retention come an hour
 * too early at most, and one that has slept for a night is followed in the course of the next one. When the store is opened,
 * the clocks are taken at their word for what is hidden; what is removed goes by the time of the log's last event, which
 * was somebody's present, and goes on from there in the same way.
 */
export class RetentionClock {
  /** What was answered last. Undefined until the store is opened. */
  #relied: Moment | undefined;
  /** The present of the log when it was opened. */
  #beginning: Moment | undefined;
  /** What the engine's clock said last. */
  #ofLog: Moment | undefined;
  #isSaidToBeAhead = false;
  #isSaidToDiffer = false;

  constructor(
    private readonly engine: StorageEngine,
    private readonly options: CheckedEventStoreOptions,
  ) {}

  /** Whether it was set: before that, it is the clock of this process. */
  get isSet(): boolean {
    return this.#relied !== undefined;
  }

  /** Asks the engine for its time. To be called when it has been opened, and before anything is removed. */
  renew(): MaybePromise<void> {
    if (this.options.retentionDurationMs === 0) return undefined;
    const answer = this.engine.time?.();
    return isPromise(answer) ? answer.then((time) => this.#set(time)) : this.#set(answer);
  }

  /** What time it is for what is hidden, in milliseconds since 1970. */
  now(): number {
    const at = monotonic(this.options.clock);
    const said = this.#said(at);
    if (!this.#relied) return said;
    const time = Math.min(said, catchingUp(this.#relied, at));
    this.#relied = { time, at };
    this.#tellIfAhead(said - time);
    return time;
  }

  /** The latest time that it can be for what is removed, whatever clocks have said since the store was opened. */
  latestForRemoval(): number {
    return this.#beginning ? catchingUp(this.#beginning, monotonic(this.options.clock)) : Infinity;
  }

  /** What time it is by the clocks, of which the one that is behind counts. */
  #said(at: number): number {
    const { clock } = this.options;
    return Math.min(clock.now(), this.#ofLog ? this.#ofLog.time + at - this.#ofLog.at : Infinity);
  }

  #set(ofLog: LogTime | undefined): void {
    const at = monotonic(this.options.clock);
    if (ofLog?.now !== undefined) {
      this.#ofLog = { time: ofLog.now, at };
      this.#tellIfClocksDiffer(this.options.clock.now() - ofLog.now);
    }
    if (this.#relied) return;
    const time = this.#said(at);
    this.#relied = { time, at };
    const last = ofLog?.lastRecordedAt;
    if (last === undefined) return;
    this.#beginning = { time: last, at };
    this.#tellIfAllHasExpired(time - last);
  }

  #tellIfAhead(aheadMs: number): void {
    const { name, logger, retentionDurationMs } = this.options;
    if (aheadMs === 0) this.#isSaidToBeAhead = false;
    if (this.#isSaidToBeAhead || aheadMs <= Math.min(TALKED_ABOUT_MS, retentionDurationMs)) return;
    this.#isSaidToBeAhead = true;
    logger.warn(
      `Store "${name}": the clock has jumped ahead by ${inWords(aheadMs)} in which no time has passed. If it is right now, ` +
        'retention catches up with it, at twice the pace of time; if it is wrong, put it right.',
    );
  }

  #tellIfAllHasExpired(quietMs: number): void {
    const { name, logger, retentionDurationMs } = this.options;
    if (quietMs <= Math.max(LONG_QUIET_MS, retentionDurationMs)) return;
    logger.warn(
      `Store "${name}": by the clock, the last event was recorded ${inWords(quietMs)} ago, and all of them have expired. If ` +
        'that is right, they are removed step by step; if it is wrong, put the clock right, and open the store again.',
    );
  }

  #tellIfClocksDiffer(aheadMs: number): void {
    const { name, logger } = this.options;
    const differ = aheadMs > TALKED_ABOUT_MS;
    if (differ && !this.#isSaidToDiffer) {
      logger.warn(
        `Store "${name}": the clock of this process is ${inWords(aheadMs)} ahead of that of its ${this.engine.name} engine. ` +
          'Retention goes by that of the engine; put the clock of this process right.',
      );
    }
    this.#isSaidToDiffer = differ;
  }
}

/** The latest time that it can be: some time has passed since that moment, or a clock was put right. */
function catchingUp({ time, at: before }: Moment, at: number): number {
  return time + FASTEST * Math.max(0, at - before);
}

function inWords(durationMs: number): string {
  return ms(durationMs, { long: true });
}
