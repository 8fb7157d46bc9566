import { messageOf, stackOf } from '../values/error-text.js';
import type { StoreLogger } from './logger.js';

/** How a call ended: `'ok'`, or the code of the error that it answered with. */
export type Outcome = string;

export interface AppendMeasurement {
  readonly store: string;
  readonly outcome: Outcome;
  /** How many events the batch has. */
  readonly events: number;
  readonly durationMs: number;
}

export interface ReadMeasurement {
  readonly store: string;
  readonly operation: 'read' | 'readStream' | 'readAll' | 'readTimeRange';
  readonly outcome: Outcome;
  /** How many events were found. */
  readonly events: number;
  readonly durationMs: number;
}

export interface HandlerMeasurement {
  readonly store: string;
  /** The durable name of the handler, or else its class and method. */
  readonly handler: string;
  /**
   * `'ok'`; `'INTERRUPTED'`, when the application ended and did not wait for it; or the code of what it failed with, which
   * is `'UNKNOWN'` for an error that is not the store's.
   */
  readonly outcome: Outcome;
  /** Which attempt at the event this was, from 1. */
  readonly attempt: number;
  readonly durationMs: number;
}

export interface SnapshotMeasurement {
  readonly store: string;
  readonly outcome: Outcome;
  /** How many bytes were written; 0 when it failed. */
  readonly bytes: number;
  readonly durationMs: number;
}

/**
 * Told what the store does, as it happens. Every method is optional; the default collector has none.
 *
 * All names that it is told come from a closed set, so that they can be labels: none of them is a stream, an event or a
 * user. Collectors run inside the call they measure: they should count and return. What they throw is logged, not passed
 * on.
 */
export interface MetricsCollector {
  onAppend?(measurement: AppendMeasurement): void;
  onRead?(measurement: ReadMeasurement): void;
  /** A handler has ended an attempt at an event, well or not. */
  onHandlerAttempt?(measurement: HandlerMeasurement): void;
  /** A handler failed on an event: an attempt whose outcome is not `'ok'`. */
  onHandlerFailure?(failure: { readonly store: string; readonly handler: string }): void;
  /** All attempts at an event have failed, and its handler has done what the policy says. */
  onHandlerGaveUp?(giveUp: {
    readonly store: string;
    readonly handler: string;
    readonly policy: 'dead-letter' | 'park-stream' | 'stop' | 'skip';
  }): void;
  /**
   * Retention removed events before a subscription had read them; the log says which.
   *
   * `subscription` is the name of the handler, or `'subscription'` for one that `subscribe` has made.
   */
  onSubscriptionGap?(gap: { readonly store: string; readonly subscription: string }): void;
  /**
   * The log did not go on from where a reader was: it was put back to an earlier state. The log of the application says more.
   *
   * `subscription` is the name of the handler, or `'subscription'` for one that `subscribe` has made.
   */
  onLogFork?(fork: { readonly store: string; readonly subscription: string }): void;
  /** A snapshot was written, or could not be. */
  onSnapshot?(measurement: SnapshotMeasurement): void;
  /**
   * This process got the right to run a durable handler, gave it back, or lost it to another process. For one with
   * partitions, once for each of them.
   */
  onLeaseChange?(change: {
    readonly store: string;
    readonly handler: string;
    readonly change: 'gained' | 'released' | 'lost';
  }): void;
  /** Retention removed events. */
  onExpire?(expiry: { readonly store: string; readonly events: number }): void;
  /** Work without a caller failed; the log has the error. */
  onBackgroundFailure?(failure: { readonly store: string; readonly operation: string }): void;
}

type Tell = (measurement: never) => void;

/**
 * Adds a collector to those there are, as one that tells each of them. What one of them throws reaches the log, and neither
 * the others nor the call it measures.
 *
 * @param all has only the methods that somebody wants to be told of, so that the others cost nothing
 */
export function addCollector(
  all: MetricsCollector,
  collector: MetricsCollector,
  logger: StoreLogger,
): MetricsCollector {
  const told = all as Record<string, Tell | undefined>;
  for (const name of METHODS) {
    if (typeof collector[name] !== 'function') continue;
    const before = told[name];
    const tell: Tell = (measurement) => {
      try {
        (collector[name] as Tell)(measurement);
      } catch (error) {
        logger.error(`The metrics collector failed in ${name}: ${messageOf(error)}`, stackOf(error));
      }
    };
    told[name] = before
      ? (measurement) => {
          before(measurement);
          tell(measurement);
        }
      : tell;
  }
  return all;
}

const METHODS = [
  'onAppend',
  'onRead',
  'onHandlerAttempt',
  'onHandlerFailure',
  'onHandlerGaveUp',
  'onSubscriptionGap',
  'onLogFork',
  'onSnapshot',
  'onLeaseChange',
  'onExpire',
  'onBackgroundFailure',
] as const satisfies readonly (keyof MetricsCollector)[];
