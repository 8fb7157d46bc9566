import type { MaybePromise } from '../values/maybe-promise.js';

/**
 * Names what empties a store, and what empties its engine: for `resetStore` of `/testing`, and nobody else. A symbol, so that
 * nobody comes upon it by accident.
 */
export const EMPTY = Symbol.for('nestjs-stream-store.empty');

/** An engine that can forget all it keeps, as if it had been made now. Tokens of leases go on rising. */
export interface EmptiableEngine {
  [EMPTY](): MaybePromise<void>;
}

/** What runs on a store, and stands still while it is emptied. */
export interface StoreRunner {
  /** Ends what runs. */
  end(): Promise<void>;
  /** Lets it begin anew. */
  begin(): Promise<void>;
}
