import { EventStoreError, StorageFailedError, StorageUnavailableError } from '../store/values/errors.js';

// SQLSTATEs (PostgreSQL, "Error Codes") that go by themselves, or when somebody starts the server again. The connection
// ends with those of the first list; a statement may have been committed before it could be answered.
const CONNECTION_LOST = /^(08...|57P0[1-5]|25P0[34]|40003)$/;
const COME_BACK_LATER = /^(53...|40001|40P01|55P03|57014|25006)$/;

/** What the server says of a write while it may only read: as a standby, or as what was the primary before a failover. */
export const READ_ONLY = '25006';

// A stream that broke while something was on it; but not a certificate, which will be wrong the next time too.
const LOST_IN_NODE = /^(E(?!RR_)[A-Z]|ERR_(SSL|STREAM|SOCKET|OSSL))/;

// What `pg` says in words alone.
const LOST_IN_WORDS =
  /^(Connection terminated|Client (has encountered|was closed)|timeout|Query read timeout|Cannot use a pool)/;

/** Whether nothing more can be sent on the connection that failed with this. */
export function isConnectionLost(error: unknown): boolean {
  const { code, message = '', syscall } = error as { code?: string; message?: string; syscall?: string };
  if (code === undefined) return LOST_IN_WORDS.test(message);
  // The system's codes, such as ECONNRESET, come with the call that failed, or begin so.
  return CONNECTION_LOST.test(code) || syscall !== undefined || LOST_IN_NODE.test(code);
}

/** Whether the server may only read now. */
export function isReadOnly(error: unknown): boolean {
  return (error as { code?: string }).code === READ_ONLY;
}

/** Whether a prepared statement was not run, because the server does not know it, or not any more. */
export function isPlanLost(error: unknown): boolean {
  const { code, message = '' } = error as { code?: string; message?: string };
  return code === '26000' || code === '42P05' || (code === '0A000' && message.includes('cached plan'));
}

/**
 * An error of the store for what `pg` or the server failed with.
 *
 * @param storage what failed, in words
 * @param isOutcomeUnknown whether something may have been changed, if the connection was lost
 */
export function toStoreError(error: unknown, storage: string, isOutcomeUnknown: boolean): EventStoreError {
  if (error instanceof EventStoreError) return error;
  if (isConnectionLost(error)) return new StorageUnavailableError(storage, isOutcomeUnknown, error);
  const { code } = error as { code?: string };
  // The server has answered, so it has rolled back.
  if (code !== undefined && COME_BACK_LATER.test(code)) return new StorageUnavailableError(storage, false, error);
  return new StorageFailedError(storage, error);
}
