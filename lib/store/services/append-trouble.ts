import { performance } from 'node:perf_hooks';
import { StorageCorruptedError, StorageFailedError, StorageUnavailableError } from '../values/errors.js';

/** After so long without another try nobody knows any more whether it would fail. */
const FORGOTTEN_AFTER_MS = 10_000;

/** Remembers whether the storage refuses appends, which reads may not show: it may only read, or its disk is full. */
export class AppendTrouble {
  #error: Error | undefined;
  #notedAt = 0;

  /** What the last append failed with, when that was lately and the caller could do nothing about it. */
  get current(): Error | undefined {
    return performance.now() - this.#notedAt < FORGOTTEN_AFTER_MS ? this.#error : undefined;
  }

  noteKept(): void {
    this.#error = undefined;
  }

  noteFailure(error: unknown): void {
    const isOfStorage =
      error instanceof StorageUnavailableError ||
      error instanceof StorageFailedError ||
      error instanceof StorageCorruptedError;
    if (!isOfStorage) return;
    this.#error = error;
    this.#notedAt = performance.now();
  }
}
