import type { Checkpoint } from '../../store/values/checkpoint.js';
import { CheckpointChangedError, LeaseLostError, LogForkedError } from '../../store/values/errors.js';
import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import type { PlaceInLog } from '../../store/values/place.js';
import type { EngineTransaction } from '../../store/ports/storage-engine.js';
import type { Tenure } from '../leases/lease-holder.js';

/**
 * The checkpoint of one handler, as it is kept: each save replaces the one that was loaded or saved last here, and no other.
 *
 * What keeps it may be put back to an earlier state. Then whoever saved over what is kept would say of events that they were
 * handled whose effects went back with it.
 */
export class StoredCheckpoint {
  #last: Checkpoint | null = null;
  /** What was to be saved when it could not be learned whether it was kept, as texts. */
  readonly #inDoubt = new Set<string>();

  constructor(
    private readonly name: string,
    private readonly store: EventStore,
    private readonly tenure: Tenure | undefined,
  ) {}

  async load(): Promise<Checkpoint | undefined> {
    const kept = await internalsOf(this.store).loadCheckpoint(this.name);
    this.#last = kept ?? null;
    this.#inDoubt.clear();
    return kept;
  }

  /**
   * @param place the furthest that the checkpoint speaks of
   * @throws {LeaseLostError | CheckpointChangedError | LogForkedError} with nothing kept
   */
  async save(checkpoint: Checkpoint, place: PlaceInLog): Promise<void> {
    const { name, store, tenure } = this;
    // The next tenure of this process may have the same token, so the engine could not tell. It may also have waited for a
    // transaction that is in doubt.
    if (tenure && !tenure.isHeld) throw new LeaseLostError(name);
    try {
      await internalsOf(store).saveCheckpoint(name, checkpoint, tenure?.lease, { expected: this.#last, place });
    } catch (error) {
      if (error instanceof CheckpointChangedError && (await this.#isInDoubt())) return this.save(checkpoint, place);
      if (!isOutOfDate(error)) this.#inDoubt.add(JSON.stringify(checkpoint));
      throw error;
    }
    this.saved(checkpoint);
  }

  /** The same in a transaction. Once that was committed, `saved` is to be called. */
  async saveIn(transaction: EngineTransaction, checkpoint: Checkpoint, place: PlaceInLog): Promise<void> {
    await transaction.saveCheckpoint(this.name, checkpoint, this.tenure?.lease, { expected: this.#last, place });
  }

  saved(checkpoint: Checkpoint): void {
    this.#last = checkpoint;
    this.#inDoubt.clear();
  }

  /** Whether what is kept is what an earlier save was to keep, of which nobody could tell. */
  async #isInDoubt(): Promise<boolean> {
    if (this.#inDoubt.size === 0) return false;
    const kept = await internalsOf(this.store).loadCheckpoint(this.name);
    if (!kept || !this.#inDoubt.has(JSON.stringify(kept))) return false;
    this.saved(kept);
    return true;
  }
}

/** Whether the right to save, or what was to be saved, is out of date: then surely nothing was kept. */
export function isOutOfDate(error: unknown): boolean {
  return error instanceof LeaseLostError || error instanceof CheckpointChangedError || error instanceof LogForkedError;
}
