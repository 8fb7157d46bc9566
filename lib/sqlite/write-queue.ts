import { EventStoreError, StorageUnavailableError } from '../store/values/errors.js';
import type { BusyRetry } from './busy-retry.js';
import type { OpenedFiles } from './opened-files.js';
import { loadLog, type Log, saveLog } from './queries/log.js';
import type { SqliteClient } from './sqlite-client.js';

/** A commit takes no more events than this, unless one batch has more: the event loop stands still meanwhile. */
const MOST_EVENTS = 1_000;

/**
 * A part of a transaction.
 *
 * @param log as the parts before have left it; to be kept up to date
 * @throws {EventStoreError} before it has written anything: then the others of the transaction go on without it
 */
export type Write<T> = (log: Log) => T;

interface WaitingWrite {
  readonly write: Write<unknown>;
  readonly events: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What became of a write in a transaction that was committed. */
type Outcome = { readonly answer: unknown } | { readonly refusal: EventStoreError };

/**
 * Writes, one transaction at a time.
 *
 * Those who come in the same turn of the event loop share a transaction, and so do those who come while another process has
 * the lock: what a commit costs is waiting for the disk, whatever it holds. Each of them gets an answer of its own, after
 * the commit.
 */
export class WriteQueue {
  #waiting: WaitingWrite[] = [];
  #isAtWork = false;

  constructor(
    private readonly client: SqliteClient,
    private readonly busy: BusyRetry,
    private readonly files: OpenedFiles,
  ) {}

  /**
   * @param events how many it writes
   * @throws what `write` throws, and what the commit fails with; then nothing of it was kept
   */
  run<T>(write: Write<T>, events = 1): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ write, events, resolve: resolve as (answer: unknown) => void, reject });
      if (!this.#isAtWork) this.#workSoon();
    });
  }

  /** Not before the events of this turn were handled: they are what brings the others. */
  #workSoon(): void {
    this.#isAtWork = true;
    setImmediate(() => void this.#work());
  }

  async #work(): Promise<void> {
    await this.#commit(this.#takeNext());
    if (this.#waiting.length > 0) this.#workSoon();
    else this.#isAtWork = false;
  }

  /** The longest waiting, as many as fit into one transaction; at least one. */
  #takeNext(): WaitingWrite[] {
    let events = 0;
    const end = this.#waiting.findIndex((waiting, index) => (events += waiting.events) > MOST_EVENTS && index > 0);
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  async #commit(group: readonly WaitingWrite[]): Promise<void> {
    try {
      const outcomes = await this.busy.run(() => this.client.writing(() => this.#writeAll(group)));
      outcomes.forEach((outcome, index) => {
        if ('refusal' in outcome) group[index].reject(outcome.refusal);
        else group[index].resolve(outcome.answer);
      });
    } catch (error) {
      if (group.length === 1 || error instanceof StorageUnavailableError) {
        for (const { reject } of group) reject(error);
      } else {
        // Everything was rolled back, and one of them may be the reason: the others must not suffer for it.
        for (const waiting of group) await this.#commit([waiting]);
      }
    }
  }

  #writeAll(group: readonly WaitingWrite[]): Outcome[] {
    const log = loadLog(this.client);
    const { changes } = log;
    const outcomes = group.map(({ write }): Outcome => {
      try {
        return { answer: write(log) };
      } catch (error) {
        if (error instanceof EventStoreError) return { refusal: error };
        throw error;
      }
    });
    if (log.changes !== changes) saveLog(this.client, log);
    // As late as can be, and before the commit: what goes wrong afterwards went wrong after it was kept.
    this.files.check();
    return outcomes;
  }
}
