import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import { StorageUnavailableError } from '../../store/values/errors.js';
import type { EngineTransaction } from '../../store/ports/storage-engine.js';
import { mayPass } from '../../subscription/outage.js';

/** Says in a transaction that an event was handled. */
export interface HandledEntry {
  write(transaction: EngineTransaction): Promise<void>;
  kept(): void;
  /** Told also when writing has failed. @param error which may leave open whether it was kept */
  notKept(error: unknown): void;
}

/**
 * Calls a handler in a transaction, and keeps with what it has written there that the event was handled.
 *
 * Once the handler was called, its attempt counts, also when it is the transaction that was cut off: the handler may have
 * kept it open for too long, and what it has done elsewhere would be done again without end.
 *
 * @returns what the attempt failed with; undefined when everything was kept
 * @throws what the engine fails with before the handler was called, or leaves open
 */
export async function transactionalAttempt(
  store: EventStore,
  call: (transaction: unknown) => Promise<void>,
  entry: HandledEntry | undefined,
): Promise<{ readonly error: unknown } | undefined> {
  let failure = undefined as { readonly error: unknown } | undefined;
  let wasCalled = false;
  try {
    await internalsOf(store).transact(async (transaction) => {
      wasCalled = true;
      await call(transaction.client).catch((error: unknown) => {
        failure = { error };
        throw error;
      });
      await entry?.write(transaction);
    });
  } catch (error) {
    if (failure) return failure;
    entry?.notKept(error);
    if (wasCalled && mayPass(error) && !isInDoubt(error)) return { error };
    throw error;
  }
  entry?.kept();
  return undefined;
}

/** Whether it may have been kept all the same. */
export function isInDoubt(error: unknown): boolean {
  return error instanceof StorageUnavailableError && error.isOutcomeUnknown;
}
