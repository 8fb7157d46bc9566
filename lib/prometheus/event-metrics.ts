import type {
  AppendMeasurement,
  HandlerMeasurement,
  MetricsCollector,
  ReadMeasurement,
  SnapshotMeasurement,
} from '../store/ports/metrics-collector.js';
import type { CheckedPrometheusOptions } from './event-store-prometheus-options.js';
import { MetricSet } from './metric-set.js';

type Told<Method extends keyof MetricsCollector> = Parameters<NonNullable<MetricsCollector[Method]>>[0];

/** Measures and counts what happens, as it happens. */
export class EventMetrics implements MetricsCollector {
  readonly #metrics: MetricSet;
  readonly #of: ReturnType<typeof metricsOf>;

  constructor(options: CheckedPrometheusOptions) {
    this.#metrics = new MetricSet(options);
    this.#of = metricsOf(this.#metrics);
  }

  onAppend({ store, outcome, durationMs }: AppendMeasurement): void {
    this.#of.append.observe({ store, outcome }, durationMs / 1_000);
  }

  onRead({ store, operation, outcome, durationMs }: ReadMeasurement): void {
    this.#of.read.observe({ store, operation, outcome }, durationMs / 1_000);
  }

  onHandlerAttempt({ store, handler, outcome, attempt, durationMs }: HandlerMeasurement): void {
    this.#of.handler.observe({ store, handler, outcome }, durationMs / 1_000);
    if (attempt > 1) this.#of.retries.inc({ store, handler });
  }

  onHandlerGaveUp(labels: Told<'onHandlerGaveUp'>): void {
    this.#of.givenUp.inc(labels);
  }

  onSubscriptionGap(labels: Told<'onSubscriptionGap'>): void {
    this.#of.gaps.inc(labels);
  }

  onLogFork(labels: Told<'onLogFork'>): void {
    this.#of.forks.inc(labels);
  }

  onLeaseChange(labels: Told<'onLeaseChange'>): void {
    this.#of.leaseChanges.inc(labels);
  }

  onSnapshot({ store, outcome, durationMs }: SnapshotMeasurement): void {
    this.#of.snapshot.observe({ store, outcome }, durationMs / 1_000);
  }

  onBackgroundFailure(labels: Told<'onBackgroundFailure'>): void {
    this.#of.backgroundFailures.inc(labels);
  }

  register(): void {
    this.#metrics.register();
  }

  unregister(): void {
    this.#metrics.unregister();
  }
}

// From what an append takes in memory, over disks, to what a network in trouble takes.
const STORE_BUCKETS = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
// Up to the time limit that a handler has by default, and one beyond.
const HANDLER_BUCKETS = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const SNAPSHOT_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];

function metricsOf(metrics: MetricSet) {
  return {
    append: metrics.histogram(
      'append_duration_seconds',
      'How long appends take, by outcome.',
      ['store', 'outcome'],
      STORE_BUCKETS,
    ),
    read: metrics.histogram(
      'read_duration_seconds',
      'How long reads take, by operation and outcome.',
      ['store', 'operation', 'outcome'],
      STORE_BUCKETS,
    ),
    handler: metrics.histogram(
      'handler_duration_seconds',
      'How long attempts of handlers at an event take, by outcome.',
      ['store', 'handler', 'outcome'],
      HANDLER_BUCKETS,
    ),
    retries: metrics.counter('handler_retries_total', 'Attempts of handlers at an event after the first one.', [
      'store',
      'handler',
    ]),
    givenUp: metrics.counter(
      'handler_given_up_events_total',
      'Events on which all attempts of a handler failed, by what it did then.',
      ['store', 'handler', 'policy'],
    ),
    gaps: metrics.counter(
      'subscription_gaps_total',
      'How often retention removed events before a handler or another subscription had read them.',
      ['store', 'subscription'],
    ),
    forks: metrics.counter(
      'log_forks_total',
      'How often the log did not go on from where a handler or another subscription was: it had been put back.',
      ['store', 'subscription'],
    ),
    leaseChanges: metrics.counter(
      'handler_lease_changes_total',
      'How often this process gained the right to run a durable handler, released it, or lost it.',
      ['store', 'handler', 'change'],
    ),
    snapshot: metrics.histogram(
      'snapshot_duration_seconds',
      'How long snapshots take, by outcome.',
      ['store', 'outcome'],
      SNAPSHOT_BUCKETS,
    ),
    backgroundFailures: metrics.counter(
      'background_failures_total',
      'Failures of work that nobody waits for; the log has the errors.',
      ['store', 'operation'],
    ),
  };
}
