import type { DeadLetter } from './dead-letters/dead-letter-store.js';

/**
 * - `starting`: not subscribed yet.
 * - `standby`: another process runs it.
 * - `catching-up`, `live`: it runs, and is behind, or is not.
 * - `paused`: on request, until it is resumed.
 * - `halted`: after a failure, until it is resumed.
 * - `ended`: for good, with the application or its store.
 */
export type ConsumerState = 'starting' | 'standby' | 'catching-up' | 'live' | 'paused' | 'halted' | 'ended';

/** How one partition of a handler is doing. */
export interface PartitionStatus {
  /** From 0. */
  readonly number: number;
  readonly state: ConsumerState;
  /** Every event of its streams up to this global position was handled. */
  readonly position: number;
  /** How many positions lie between `position` and the end of the log. */
  readonly lag: number;
  /** Which process runs it; undefined when none does, or when it needs no lease. */
  readonly holder?: string;
}

/** How a consumer is doing. */
export interface ConsumerStatus {
  readonly state: ConsumerState;
  /** Every event up to this position was handled: in the stream, or in the log when the target is not one stream. */
  readonly position: number;
  /** How many positions lie between `position` and the end. */
  readonly lag: number;
  /** How many attempts have failed in this process since the application started. */
  readonly failures: number;
  /** What the latest failure in this process was; undefined when there was none. */
  readonly lastError: unknown;
  /** What its storage fails with, while it waits for it to answer again; else undefined. */
  readonly outage?: unknown;
  /** Which process runs it: its host, its process id and a random part. Undefined when none does, or when it needs no lease. */
  readonly holder?: string;
  /**
   * Each partition of a handler that has several. Then `position` and `lag` are those of the one that is farthest behind of
   * all that this process runs; of all, when it runs none.
   */
  readonly partitions?: readonly PartitionStatus[];
}

/** Feeds a handler with the events of its target. */
export interface Consumer {
  /** Takes its place. Resolves when it has; the handler is first called after `start`. */
  open(): Promise<void>;
  /** Begins to call the handler. */
  start(): void;
  /** Takes no further events until `resume`; resolves when the attempts that run have ended. */
  pause(): Promise<void>;
  /** Goes on where it was paused or has halted. Does nothing once it has ended. */
  resume(): Promise<void>;
  /** Resolves when every event appended before this call was handled. @throws {HandlerStoppedError} */
  settled(): Promise<void>;
  /** Ends for good. */
  stop(): Promise<void>;
  /**
   * Hands a dead letter to the handler once more.
   *
   * @throws {HandlerFailedError} when it fails again; then it stays
   * @throws {HandlerStoppedError} when the consumer ends; then it stays as it was
   */
  retry(letter: DeadLetter): Promise<void>;
  /** Gives a dead letter up. */
  discard(letter: DeadLetter): Promise<void>;
  status(): Promise<ConsumerStatus>;
}
