import { ValidationError } from '../store/values/errors.js';
import { checkName, shown } from '../store/values/names.js';
import { MOST_PARTITIONS } from './partitions/partition.js';
import { checkDelay, checkRetryOptions, type RetryOptions } from './retry-policy.js';

/**
 * What becomes of an event whose attempts all failed.
 *
 * - `dead-letter`: it is kept in the store's own stream, and the next event follows.
 * - `park-stream`: the same, and later events of its stream wait behind it; other streams go on.
 * - `stop`: the handler stops before it, until it is resumed or the application starts again.
 * - `skip`: the failure is logged and measured, and the next event follows.
 */
export type FailurePolicy = 'dead-letter' | 'park-stream' | 'stop' | 'skip';

/** How a handler is fed with events. */
export interface ConsumerOptions {
  /**
   * Makes the handler durable: its checkpoint is kept under this name, so that after a restart it goes on where it was.
   * 1 to 400 characters; unique in the application. Without it the handler is live only, and has no memory.
   */
  readonly durable?: string;
  /** How many streams at a time, 1 to 10 000. The order within a stream is always kept. Default 1. */
  readonly concurrency?: number;
  /** How many events are read at a time, 1 to 10 000; fewer when they are large. Default 512. */
  readonly batchSize?: number;
  readonly retry?: RetryOptions;
  /** Default `dead-letter` for a durable handler, else `skip`. */
  readonly onFailure?: FailurePolicy;
  /** When an attempt has failed because it took too long; its signal is aborted then. 0 means never. Default 30 000. */
  readonly timeoutMs?: number;
  /** Save the checkpoint after so many events, 1 to 100 000: how many may come twice after a crash. Default 100. */
  readonly checkpointEvery?: number;
  /** Save the checkpoint at the latest so long after an event was handled, at least 0. Default 1 000. */
  readonly checkpointIntervalMs?: number;
  /**
   * Where several processes share the log, one at a time runs a durable handler: how long it may be silent until another
   * one takes over. 1 000 to 3 600 000. Default 15 000.
   */
  readonly leaseDurationMs?: number;
  /**
   * Spreads the streams over so many partitions, 1 to 1 024, which the processes that share the log share among themselves.
   * Each has a checkpoint of its own, and `concurrency` streams at a time. It cannot be changed afterwards. Default 1.
   */
  readonly partitions?: number;
  /**
   * Hands the handler `context.transaction`: what it writes with that is kept together with the checkpoint, or not at all.
   * For engines with transactions, such as PostgreSQL. Default false.
   */
  readonly transaction?: boolean;
  /**
   * What to do when the log went back, as by a restored backup: when it does not go on from where the handler is.
   *
   * - `rewind`: begin again at the checkpoint that is kept, if the log goes on from there, else at the newest place that is as
   *   it was. No event of the new log is skipped; some may be delivered again.
   * - `stop`: stop with a `LogForkedError`, until it is resumed, and then do the same.
   *
   * For durable handlers; others rewind. Default `rewind`.
   */
  readonly onFork?: ForkPolicy;
}

export type ForkPolicy = 'rewind' | 'stop';

export interface CheckedConsumerOptions {
  readonly durable: string | undefined;
  readonly concurrency: number;
  readonly batchSize: number;
  readonly retry: Required<RetryOptions>;
  readonly onFailure: FailurePolicy;
  readonly timeoutMs: number;
  readonly checkpointEvery: number;
  readonly checkpointIntervalMs: number;
  readonly leaseDurationMs: number;
  readonly partitions: number;
  readonly transaction: boolean;
  readonly onFork: ForkPolicy;
}

export const DEFAULT_CONSUMER_OPTIONS = Object.freeze({
  concurrency: 1,
  batchSize: 512,
  timeoutMs: 30_000,
  checkpointEvery: 100,
  checkpointIntervalMs: 1_000,
  leaseDurationMs: 15_000,
  partitions: 1,
  transaction: false,
  onFork: 'rewind',
} as const);

/** The names of all options, to recognise others as mistakes. */
export const CONSUMER_OPTION_NAMES = [
  'durable',
  'concurrency',
  'batchSize',
  'retry',
  'onFailure',
  'timeoutMs',
  'checkpointEvery',
  'checkpointIntervalMs',
  'leaseDurationMs',
  'partitions',
  'transaction',
  'onFork',
];

const POLICIES: readonly unknown[] = ['dead-letter', 'park-stream', 'stop', 'skip'];
const ONLY_DURABLE = [
  'checkpointEvery',
  'checkpointIntervalMs',
  'leaseDurationMs',
  'partitions',
  'transaction',
  'onFork',
] as const;

/**
 * Checks options once and fills in the defaults.
 *
 * @throws {ValidationError} that names the option
 */
export function checkConsumerOptions(options: ConsumerOptions): CheckedConsumerOptions {
  const { durable, retry = {} } = options;
  if (durable !== undefined) checkDurableName(durable);
  const isDurable = durable !== undefined;
  const { onFailure = isDurable ? 'dead-letter' : 'skip' } = options;
  if (!POLICIES.includes(onFailure)) {
    throw new ValidationError('onFailure', `${shown(onFailure)} is none of ${POLICIES.join(', ')}.`);
  }
  if (!isDurable && (onFailure === 'dead-letter' || onFailure === 'park-stream')) {
    throw new ValidationError('onFailure', `"${onFailure}" needs a name to keep dead letters under: give durable too.`);
  }
  for (const name of ONLY_DURABLE) {
    if (!isDurable && options[name] !== undefined) {
      throw new ValidationError(name, 'it is for durable handlers only: give durable too.');
    }
  }
  const {
    concurrency = DEFAULT_CONSUMER_OPTIONS.concurrency,
    batchSize = DEFAULT_CONSUMER_OPTIONS.batchSize,
    timeoutMs = DEFAULT_CONSUMER_OPTIONS.timeoutMs,
    checkpointEvery = DEFAULT_CONSUMER_OPTIONS.checkpointEvery,
    checkpointIntervalMs = DEFAULT_CONSUMER_OPTIONS.checkpointIntervalMs,
    leaseDurationMs = DEFAULT_CONSUMER_OPTIONS.leaseDurationMs,
    partitions = DEFAULT_CONSUMER_OPTIONS.partitions,
    transaction = DEFAULT_CONSUMER_OPTIONS.transaction,
    onFork = DEFAULT_CONSUMER_OPTIONS.onFork,
  } = options;
  checkCount(concurrency, 'concurrency', 10_000);
  checkCount(batchSize, 'batchSize', 10_000);
  checkCount(checkpointEvery, 'checkpointEvery', 100_000);
  checkCount(partitions, 'partitions', MOST_PARTITIONS);
  checkDelay(timeoutMs, 'timeoutMs');
  checkDelay(checkpointIntervalMs, 'checkpointIntervalMs');
  if (!Number.isFinite(leaseDurationMs) || leaseDurationMs < 1_000 || leaseDurationMs > 3_600_000) {
    throw new ValidationError('leaseDurationMs', `${shown(leaseDurationMs)} is not a number from 1 000 to 3 600 000.`);
  }
  if (typeof transaction !== 'boolean') {
    throw new ValidationError('transaction', `${shown(transaction)} is neither true nor false.`);
  }
  if (!['rewind', 'stop'].includes(onFork)) {
    throw new ValidationError('onFork', `${shown(onFork)} is neither: give "rewind" or "stop".`);
  }
  return {
    durable,
    concurrency,
    batchSize,
    retry: checkRetryOptions(retry, 'retry', isDurable ? 5 : 1),
    onFailure,
    timeoutMs,
    checkpointEvery,
    checkpointIntervalMs,
    leaseDurationMs,
    partitions,
    transaction,
    onFork,
  };
}

function checkDurableName(name: unknown): void {
  checkName(name, 'durable');
  // It becomes the end of a stream id, "$dead-letters-<name>".
  if ([...name].length > 400)
    throw new ValidationError('durable', 'it has more than 400 characters: give a shorter name.');
}

function checkCount(value: unknown, field: string, most: number): void {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > most) {
    throw new ValidationError(field, `${shown(value)} is not a whole number from 1 to ${most}.`);
  }
}
