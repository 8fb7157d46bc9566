import { statSync } from 'node:fs';
import { StorageFailedError } from '../store/values/errors.js';
import type { EngineContext } from '../store/ports/storage-engine.js';
import { storageOf } from './sqlite-errors.js';

/**
 * Sees whether the files of the database are still those that were opened.
 *
 * A system keeps a deleted file for whoever has it open, and drops it when that process ends; a file that was moved is no
 * longer where the next process looks. Until then everything would be acknowledged, and be lost.
 */
export class OpenedFiles {
  readonly #identities: ReadonlyMap<string, string>;
  #isSaid = false;

  /** To be made when the database has been opened: then its write-ahead log is there too. */
  constructor(
    private readonly file: string,
    private readonly context: EngineContext,
  ) {
    const files = [file, `${file}-wal`, `${file}-shm`];
    this.#identities = new Map(files.map((name) => [name, identityOf(name)] as const).filter(isThere));
  }

  /** @throws {StorageFailedError} when one of them is gone, or another one lies in its place; the log says so once */
  checkAll(): void {
    for (const name of this.#identities.keys()) this.#check(name);
    this.#isSaid = false;
  }

  /** Looks for the database alone, while nothing is wrong: before each commit, three looks would be dear. @throws the same */
  check(): void {
    if (this.#isSaid) this.checkAll();
    else this.#check(this.file);
  }

  /** Looks only when something was wrong the last time. @throws the same, when it still is */
  checkAgain(): void {
    if (this.#isSaid) this.checkAll();
  }

  #check(name: string): void {
    const now = identityOf(name);
    if (now === this.#identities.get(name)) return;
    this.#refuse(name, now === undefined ? 'deleted or moved' : 'replaced by another one');
  }

  #refuse(name: string, what: string): never {
    const error = new StorageFailedError(
      storageOf(this.file),
      new Error(
        `${name} was ${what} while it was open, so nothing is kept or answered. Put it back, or, if another is to take its ` +
          'place, end all processes that have it open and start them again',
      ),
    );
    if (!this.#isSaid) {
      this.#isSaid = true;
      const { storeName, logger, onBackgroundFailure } = this.context;
      logger.error(`Store "${storeName}": ${error.message}`);
      onBackgroundFailure?.('watch');
    }
    throw error;
  }
}

/** Undefined when there is no such file. */
function identityOf(name: string): string | undefined {
  const stat = statSync(name, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

function isThere(entry: readonly [string, string | undefined]): entry is readonly [string, string] {
  return entry[1] !== undefined;
}
