import type { EngineContext } from '../store/ports/storage-engine.js';
import { messageOf, stackOf } from '../store/values/error-text.js';
import type { OpenedFiles } from './opened-files.js';
import { dataVersion } from './queries/data-version.js';
import { loadLog } from './queries/log.js';
import type { SqliteClient } from './sqlite-client.js';
import { isBusy } from './sqlite-errors.js';

/** Looks now and then whether another process has appended, and the files are there, as long as somebody wants to know. */
export class AppendWatcher {
  readonly #listeners = new Set<() => void>();
  #cancelTimer: (() => void) | undefined;
  #version = 0;
  #head = 0;

  constructor(
    private readonly client: SqliteClient,
    private readonly files: OpenedFiles,
    private readonly context: EngineContext,
    private readonly intervalMs: number,
  ) {}

  /** @returns stops the calls */
  listen(listener: (streamId?: string) => void): () => void {
    const call = (): void => listener();
    this.#listeners.add(call);
    if (!this.#cancelTimer) {
      this.#note();
      this.#schedule();
    }
    return () => {
      this.#listeners.delete(call);
      if (this.#listeners.size === 0) this.close();
    };
  }

  close(): void {
    this.#listeners.clear();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #schedule(): void {
    this.#cancelTimer = this.context.clock.setTimer(() => this.#look(), this.intervalMs, { background: true });
  }

  #look(): void {
    this.#seeFiles();
    if (this.#note()) for (const call of [...this.#listeners]) call();
    if (this.#listeners.size > 0) this.#schedule();
  }

  #seeFiles(): void {
    try {
      this.files.checkAll();
    } catch {
      // It was said in the log; whoever calls next is refused.
    }
  }

  /** @returns whether another connection has appended since the last time */
  #note(): boolean {
    try {
      const version = dataVersion(this.client);
      if (version === this.#version) return false;
      const { head } = loadLog(this.client);
      const hasRisen = head > this.#head;
      [this.#version, this.#head] = [version, head];
      return hasRisen;
    } catch (error) {
      // The next look will find it.
      if (isBusy(error)) return false;
      const { storeName, logger, onBackgroundFailure } = this.context;
      logger.error(
        `Store "${storeName}": could not see whether another process has appended: ${messageOf(error)}`,
        stackOf(error),
      );
      onBackgroundFailure?.('watch');
      return false;
    }
  }
}
