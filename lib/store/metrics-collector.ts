import { messageOf, stackOf } from './error-text.js';
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

/**
 * Told what the store does, as it happens. Every method is optional; the default collector has none.
 *
 * Collectors run inside the call they measure: they should count and return. What they throw is logged, not passed on.
 */
export interface MetricsCollector {
  onAppend?(measurement: AppendMeasurement): void;
  onRead?(measurement: ReadMeasurement): void;
  /** Retention removed events before a subscription had read them. */
  onSubscriptionGap?(gap: { readonly store: string; readonly subscription: string }): void;
  /** A handler failed on an event. */
  onHandlerFailure?(failure: { readonly store: string; readonly handler: string }): void;
  /** Retention removed events. */
  onExpire?(expiry: { readonly store: string; readonly events: number }): void;
  /** Work without a caller failed; the log has the error. */
  onBackgroundFailure?(failure: { readonly store: string; readonly operation: string }): void;
}

/** A collector with the methods of `collector`, whose failures reach the log instead of the call they measure. */
export function guardCollector(collector: MetricsCollector, logger: StoreLogger): MetricsCollector {
  const guarded: Record<string, (measurement: never) => void> = {};
  for (const name of METHODS) {
    if (typeof collector[name] !== 'function') continue;
    guarded[name] = (measurement) => {
      try {
        (collector[name] as (measurement: never) => void)(measurement);
      } catch (error) {
        logger.error(`The metrics collector failed in ${name}: ${messageOf(error)}`, stackOf(error));
      }
    };
  }
  return guarded;
}

const METHODS = [
  'onAppend',
  'onRead',
  'onSubscriptionGap',
  'onHandlerFailure',
  'onExpire',
  'onBackgroundFailure',
] as const satisfies readonly (keyof MetricsCollector)[];
