import type {
  AppendMeasurement,
  MetricsCollector,
  ReadMeasurement,
  SnapshotMeasurement,
  StoreLogger,
} from 'nestjs-stream-store';

/** A logger that keeps what it is told. */
export class RecordingLogger implements StoreLogger {
  readonly logs: string[] = [];
  readonly warnings: string[] = [];
  readonly errors: string[] = [];

  log(message: string): void {
    this.logs.push(message);
  }

  warn(message: string): void {
    this.warnings.push(message);
  }

  error(message: string): void {
    this.errors.push(message);
  }
}

/** A metrics collector that keeps what it is told. */
export class RecordingCollector implements MetricsCollector {
  readonly appends: AppendMeasurement[] = [];
  readonly reads: ReadMeasurement[] = [];
  readonly snapshots: SnapshotMeasurement[] = [];
  readonly expiries: { store: string; events: number }[] = [];
  readonly backgroundFailures: { store: string; operation: string }[] = [];

  onAppend(measurement: AppendMeasurement): void {
    this.appends.push(measurement);
  }

  onRead(measurement: ReadMeasurement): void {
    this.reads.push(measurement);
  }

  onSnapshot(measurement: SnapshotMeasurement): void {
    this.snapshots.push(measurement);
  }

  onExpire(expiry: { store: string; events: number }): void {
    this.expiries.push(expiry);
  }

  onBackgroundFailure(failure: { store: string; operation: string }): void {
    this.backgroundFailures.push(failure);
  }
}
