import type { Place } from './place.js';

/**
 * How far a durable handler has come: what it needs to go on after a restart. Plain JSON, kept by the engine under the
 * handler's name.
 */
export interface Checkpoint {
  /**
   * What `position` and `ahead` count in: the one stream of the handler's target, by its id, or null for the whole log.
   * Missing in what was kept before this was noted.
   */
  readonly streamId?: string | null;
  /** Every event up to this position was handled: a position in its stream, or in the whole log. */
  readonly position: number;
  /** The id of the event at `position`. Missing where it is not known, and in what was kept before this was noted. */
  readonly id?: string;
  /**
   * The furthest event that the checkpoint speaks of, when it lies beyond `position`: when the log does not go on from there,
   * it went back. Missing in what was kept before this was noted.
   */
  readonly furthest?: Place;
  /**
   * A place in the whole log up to which nothing is left to do, in parked streams neither: retention may remove the events
   * up to here. Missing in what was kept before this was noted.
   */
  readonly globalPosition?: number;
  /**
   * Over how many partitions the streams of the handler are spread: then each has a checkpoint of its own, and this one says
   * nothing but that. Missing in all others.
   */
  readonly partitions?: number;
  /** Positions beyond `position` that were handled too, because other streams were faster; rising. */
  readonly ahead: readonly number[];
  /** How often the handling of an event was begun, for events that failed or may have ended the process. */
  readonly attempts: readonly { readonly position: number; readonly count: number }[];
  /** The streams that wait behind a dead letter. */
  readonly parked: readonly ParkedStream[];
  /** Whether the handler is at work. Still true after a restart when the process ended without closing the store. */
  readonly isRunning: boolean;
}

/** A stream whose later events wait until its dead letter was retried or discarded. */
export interface ParkedStream {
  readonly streamId: string;
  /** The last position of the stream that was handled. */
  readonly handledTo: number;
  /** Where the event at `handledTo` lies in the whole log. Missing in what was kept before this was noted. */
  readonly globalPosition?: number;
  /** The last position of the stream that was passed over while it waits. */
  readonly skippedTo: number;
}
