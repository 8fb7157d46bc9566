import type { Observable } from 'rxjs';
import type { AppendSignal } from './append-signal.js';
import type { Clock } from '../values/clock.js';
import type { Cursor, END, START } from '../values/cursor.js';
import type { CompiledFilter, Pattern } from '../values/event-filter.js';
import type { RecordedEvent } from '../values/event.js';
import type { StoreLogger } from './logger.js';
import type { MaybePromise } from '../values/maybe-promise.js';
import type { MetricsCollector } from './metrics-collector.js';
import type { LogForkedError } from '../values/errors.js';
import type { Place } from '../values/place.js';
import type { LogPage, StreamEnd, StreamPage } from './storage-engine.js';

/**
 * After which event to begin: `START`, `END` (only what is appended from now on), a cursor of the stream, a place that a
 * subscription to the same target had come to, or a position: in the stream when the target is one stream, else in the whole
 * log.
 */
export type SubscriptionStart = typeof START | typeof END | Cursor | Place | number;

export interface SubscribeOptions {
  /** What metrics call it: one of few names, and none that has a stream id in it. Default `subscription`. */
  readonly name?: string;
  /** Ends the subscription when it aborts. */
  readonly signal?: AbortSignal;
  /** How many events are read at a time, and held for a slow reader, at most; 1 to 10 000, default 512. */
  readonly batchSize?: number;
  /** Told, with the position, whenever everything there is was handed out and the reader has asked for more. */
  readonly onCaughtUp?: (position: number) => void;
  /** Told when retention removed events that this subscription had not read yet. */
  readonly onGap?: (gap: SubscriptionGap) => void;
  /**
   * Told when the log does not go on from where this subscription was: it was put back to an earlier state, as by a restored
   * backup. The subscription goes on from an earlier place, so some events may be delivered again.
   */
  readonly onFork?: (fork: SubscriptionFork) => void;
}

/** A log that went back, as a subscription has met it. Positions are those of the stream, or of the whole log. */
export interface SubscriptionFork {
  /** The last position read before. What lies there now is another event, or nothing. */
  readonly position: number;
  /** The position of the last event there was when it was found out. */
  readonly head: number;
  /** After which position it goes on: the newest that it has come by and that is as it was, else the start of what is kept. */
  readonly goesOnAfter: number;
}

/** Events that retention removed before a subscription had read them. */
export interface SubscriptionGap {
  /** The last position read before: in the stream, or in the whole log when the target is not one stream. */
  readonly after: number;
  /** The last position that was removed. */
  readonly trimmedTo: number;
}

/** A time in which the storage fails. */
export interface StorageOutage {
  /** What it failed with the last time. */
  readonly error: unknown;
  /** How long it has failed, in milliseconds. */
  readonly durationMs: number;
}

/** `catching-up`: there is history left to read. `live`: everything was read, waiting for more. `stopped`: for good. */
export type SubscriptionState = 'catching-up' | 'live' | 'stopped';

/**
 * Reads on for ever: history first, then each event as it is appended.
 *
 * It reads when it is asked for the next event, so a slow reader loses nothing and holds no more than one batch. One
 * subscription has one reader: iterating it twice shares the events between both. Leaving a `for await` loop closes it.
 */
export interface Subscription<Event extends RecordedEvent<unknown> = RecordedEvent>
  extends AsyncIterable<Event>, AsyncDisposable {
  readonly state: SubscriptionState;

  /** The last position handed out: in the stream, or in the whole log when the target is not one stream. */
  readonly position: number;

  /**
   * `position`, with the id of the event there, where it is known: to be kept for a later `subscribe` to the same target,
   * which then finds out whether the log went back in between. Plain JSON.
   */
  readonly place: Place;

  /** The latest gap, if retention ever passed this subscription. */
  readonly gap: SubscriptionGap | undefined;

  /** The latest fork, if the log ever went back under this subscription. */
  readonly fork: SubscriptionFork | undefined;

  /** That the storage fails, and the subscription waits for it; undefined when it answers. */
  readonly outage: StorageOutage | undefined;

  /** How many positions lie between `position` and the end of the stream or of the log; 0 when all was handed out. */
  lag(): Promise<number>;

  /**
   * Resolves once everything appended before this call was handed out. The reader has to go on reading meanwhile.
   *
   * @throws {SubscriptionEndedError | StoreClosedError} when the subscription ended before that
   */
  caughtUp(): Promise<void>;

  /** The events in arrays of one to `batchSize`. */
  batches(): AsyncIterableIterator<readonly Event[]>;

  /** The events as an RxJS Observable; unsubscribing closes the subscription. */
  asObservable(): Observable<Event>;

  /** Ends the subscription: its reader gets no further event and comes to an end without an error. Idempotent. */
  close(): Promise<void>;
}

/** A target that was checked. */
export type CheckedTarget =
  | { readonly streamId: string; readonly types: readonly Pattern[] | undefined }
  | { readonly streamId: undefined; readonly filter: CompiledFilter };

/** What subscriptions need of their store. */
export interface SubscriptionSource {
  readonly storeName: string;
  readonly signal: AppendSignal;
  readonly clock: Clock;
  readonly logger: StoreLogger;
  readonly metrics: MetricsCollector;
  /** How long to wait for a hint before looking by oneself; undefined when none of them can be lost. */
  readonly pollIntervalMs: number | undefined;
  /** Whether the log may be put back to an earlier state while it is read. */
  readonly mayGoBack: boolean;
  readStream(
    streamId: string,
    after: number,
    limit: number,
    types?: readonly Pattern[],
    wantsIds?: boolean,
  ): MaybePromise<StreamPage>;
  readAll(after: number, limit: number, filter?: CompiledFilter, wantsIds?: boolean): MaybePromise<LogPage>;
  /** Whether there may be events that cannot be brought into their present shape: see `upcastFailureOf`. */
  readonly mayBeUnreadable: boolean;
  /** Where streams end; undefined when the engine cannot tell of several at a time. */
  streamEnds(streamIds: readonly string[]): MaybePromise<readonly StreamEnd[] | undefined>;
  /** Says that the log went back. @param name of who has found it out @param then what that one does about it */
  noteFork(name: string, error: LogForkedError, then: string): void;
  /** Called for the events that a subscription hands out. */
  countRead(events: number): void;
}

/** The subscriptions of one store. */
export interface SubscriptionRegistry {
  /** How many have not ended. */
  readonly active: number;
  /** @param takesUnreadable whether the reader sees to events that cannot be brought into their present shape itself */
  open(
    target: CheckedTarget,
    after: Place | typeof START | typeof END,
    options: SubscribeOptions,
    takesUnreadable: boolean,
  ): Subscription;
  /** Ends all of them. */
  closeAll(): Promise<void>;
}
