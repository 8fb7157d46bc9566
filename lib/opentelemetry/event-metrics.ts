import type { Meter } from '@opentelemetry/api';
import type {
  AppendMeasurement,
  HandlerMeasurement,
  MetricsCollector,
  Outcome,
  ReadMeasurement,
  SnapshotMeasurement,
} from '../store/ports/metrics-collector.js';
import { openTelemetry } from './api.js';
import {
  ATTR_HANDLER_NAME,
  ATTR_HANDLER_POLICY,
  ATTR_LEASE_CHANGE,
  ATTR_OPERATION,
  ATTR_STORE_NAME,
  ATTR_SUBSCRIPTION_NAME,
  SYSTEM_NAME,
} from './event-store-conventions.js';
import { checkOpenTelemetryOptions, type MetricsOptions } from './event-store-opentelemetry-options.js';
import * as conventions from './semantic-conventions.js';

type Told<Method extends keyof MetricsCollector> = Parameters<NonNullable<MetricsCollector[Method]>>[0];

/**
 * Measures and counts what a store does: the `metricsCollector` of a store outside of Nest. Inside, import
 * `EventStoreOpenTelemetryModule`, which also measures what stores and handlers are like.
 *
 * @throws {ValidationError} that names the option
 */
export function openTelemetryMetrics(options: MetricsOptions = {}): MetricsCollector {
  return new EventMetrics(meterOf(options));
}

export function meterOf(options: MetricsOptions): Meter {
  const { meterProvider = openTelemetry.metrics.getMeterProvider() } = checkOpenTelemetryOptions(options);
  return meterProvider.getMeter(SYSTEM_NAME);
}

class EventMetrics implements MetricsCollector {
  readonly #of: ReturnType<typeof instrumentsOf>;

  constructor(meter: Meter) {
    this.#of = instrumentsOf(meter);
  }

  onAppend({ store, outcome, events, durationMs }: AppendMeasurement): void {
    const attributes = {
      ...aboutOperation(store, 'append', conventions.MESSAGING_OPERATION_TYPE_VALUE_SEND),
      ...errorType(outcome),
    };
    this.#of.operation.record(durationMs / 1_000, attributes);
    this.#of.sent.add(events, attributes);
  }

  onRead({ store, operation, outcome, durationMs }: ReadMeasurement): void {
    this.#of.operation.record(durationMs / 1_000, {
      ...aboutOperation(store, operation, conventions.MESSAGING_OPERATION_TYPE_VALUE_RECEIVE),
      ...errorType(outcome),
    });
  }

  onHandlerAttempt({ store, handler, outcome, attempt, durationMs }: HandlerMeasurement): void {
    const attributes = {
      ...aboutOperation(store, 'process', conventions.MESSAGING_OPERATION_TYPE_VALUE_PROCESS),
      [conventions.ATTR_MESSAGING_CONSUMER_GROUP_NAME]: handler,
      ...errorType(outcome),
    };
    this.#of.process.record(durationMs / 1_000, attributes);
    this.#of.consumed.add(1, attributes);
    if (attempt > 1) this.#of.retries.add(1, { [ATTR_STORE_NAME]: store, [ATTR_HANDLER_NAME]: handler });
  }

  onHandlerGaveUp({ store, handler, policy }: Told<'onHandlerGaveUp'>): void {
    this.#of.givenUp.add(1, {
      [ATTR_STORE_NAME]: store,
      [ATTR_HANDLER_NAME]: handler,
      [ATTR_HANDLER_POLICY]: policy,
    });
  }

  onSubscriptionGap({ store, subscription }: Told<'onSubscriptionGap'>): void {
    this.#of.gaps.add(1, { [ATTR_STORE_NAME]: store, [ATTR_SUBSCRIPTION_NAME]: subscription });
  }

  onLogFork({ store, subscription }: Told<'onLogFork'>): void {
    this.#of.forks.add(1, { [ATTR_STORE_NAME]: store, [ATTR_SUBSCRIPTION_NAME]: subscription });
  }

  onLeaseChange({ store, handler, change }: Told<'onLeaseChange'>): void {
    this.#of.leaseChanges.add(1, {
      [ATTR_STORE_NAME]: store,
      [ATTR_HANDLER_NAME]: handler,
      [ATTR_LEASE_CHANGE]: change,
    });
  }

  onSnapshot({ store, outcome, durationMs }: SnapshotMeasurement): void {
    this.#of.snapshot.record(durationMs / 1_000, { [ATTR_STORE_NAME]: store, ...errorType(outcome) });
  }

  onBackgroundFailure({ store, operation }: Told<'onBackgroundFailure'>): void {
    this.#of.backgroundFailures.add(1, { [ATTR_STORE_NAME]: store, [ATTR_OPERATION]: operation });
  }
}

function aboutOperation(store: string, name: string, type: string) {
  return {
    [conventions.ATTR_MESSAGING_SYSTEM_NAME]: SYSTEM_NAME,
    [conventions.ATTR_MESSAGING_OPERATION_NAME]: name,
    [conventions.ATTR_MESSAGING_OPERATION_TYPE]: type,
    [ATTR_STORE_NAME]: store,
  };
}

function errorType(outcome: Outcome) {
  return outcome === 'ok' ? undefined : { [conventions.ATTR_ERROR_TYPE]: outcome };
}

// The conventions advise those from 5 ms on; an append in memory takes a few microseconds.
const SECONDS = [
  0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

function instrumentsOf(meter: Meter) {
  const seconds = (description: string) => ({ description, unit: 's', advice: { explicitBucketBoundaries: SECONDS } });
  return {
    operation: meter.createHistogram(
      conventions.METRIC_MESSAGING_CLIENT_OPERATION_DURATION,
      seconds('How long appends and reads take.'),
    ),
    sent: meter.createCounter(conventions.METRIC_MESSAGING_CLIENT_SENT_MESSAGES, {
      description: 'Events of appends.',
      unit: '{message}',
    }),
    process: meter.createHistogram(
      conventions.METRIC_MESSAGING_PROCESS_DURATION,
      seconds('How long attempts of handlers at an event take.'),
    ),
    consumed: meter.createCounter(conventions.METRIC_MESSAGING_CLIENT_CONSUMED_MESSAGES, {
      description: 'Attempts of handlers at an event.',
      unit: '{message}',
    }),
    retries: meter.createCounter('event_store.handler.retries', {
      description: 'Attempts of handlers at an event after the first one.',
      unit: '{attempt}',
    }),
    givenUp: meter.createCounter('event_store.handler.given_up', {
      description: 'Events on which all attempts of a handler failed, by what it did then.',
      unit: '{event}',
    }),
    gaps: meter.createCounter('event_store.subscription.gaps', {
      description: 'How often retention removed events before a handler or another subscription had read them.',
      unit: '{gap}',
    }),
    forks: meter.createCounter('event_store.log.forks', {
      description:
        'How often the log did not go on from where a handler or another subscription was: it had been put back.',
      unit: '{fork}',
    }),
    leaseChanges: meter.createCounter('event_store.handler.lease_changes', {
      description: 'How often this process gained the right to run a durable handler, released it, or lost it.',
      unit: '{change}',
    }),
    snapshot: meter.createHistogram('event_store.snapshot.duration', seconds('How long snapshots take.')),
    backgroundFailures: meter.createCounter('event_store.background.failures', {
      description: 'Failures of work that nobody waits for; the log has the errors.',
      unit: '{failure}',
    }),
  };
}
