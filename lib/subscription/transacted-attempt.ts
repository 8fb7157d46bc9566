import type { EventStore } from '../store/event-store.js';
import type { EngineTransaction } from '../store/storage-engine.js';

/** Says in a transaction that an event was dealt with. */
export interface DoneEntry {
  write(transaction: EngineTransaction): Promise<void>;
  kept(): void;
  /** Told also when writing has failed. @param error which may leave open whether it was kept */
  notKept(error: unknown): void;
}

/**
 * Calls a handler in a transaction, and keeps with what it has written there that the event was dealt with.
 *
 * @returns what the handler failed with; undefined when everything was kept
 * @throws what the engine fails with, and not the handler
 */
export async function transactedAttempt(
  store: EventStore,
  call: (transaction: unknown) => Promise<void>,
  entry: DoneEntry | undefined,
): Promise<{ readonly error: unknown } | undefined> {
  let failure = undefined as { readonly error: unknown } | undefined;
  try {
    await store.transact(async (transaction) => {
      await call(transaction.client).catch((error: unknown) => {
        failure = { error };
        throw error;
      });
      await entry?.write(transaction);
    });
  } catch (error) {
    if (failure) return failure;
    entry?.notKept(error);
    throw error;
  }
  entry?.kept();
  return undefined;
}
