import { createHash } from 'node:crypto';
import { StorageFailedError, StorageUnavailableError } from '../store/values/errors.js';
import { isConnectionLost, isPlanLost, isReadOnly, toStoreError } from './postgres-errors.js';
import type { PostgresConnection, PostgresResult } from './postgres-pool.js';
import type { Query, Row } from './query.js';

/** Leaves every value as text: what an application told `pg` to make of its types is for its own queries. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };

/** What a transaction has locked is free again when its process is stopped, or cut off. */
const LONGEST_PAUSE = "SET LOCAL idle_in_transaction_session_timeout = '60s'";

/** A connection that is not in the pool. */
export class CheckedOutConnection {
  #isBroken = false;
  #isInTransaction = false;
  /** Whether the transaction takes statements of the application. */
  #isForOthers = false;
  #othersRunning = 0;
  #isReleased = false;
  /** Whether the server has given up waiting for a standby since the last statement was sent. */
  #isCommitUnconfirmed = false;
  /** What the server, or the network, said when it ended the connection. */
  #brokenBy: Error | undefined;
  readonly #noteBroken = (error: Error): void => {
    this.#isBroken = true;
    this.#brokenBy ??= error;
  };
  readonly #noteNotice = ({ routine }: { routine?: string }): void => {
    // The only words of it that are in no language (PostgreSQL, src/backend/replication/syncrep.c).
    if (routine === 'SyncRepWaitForLSN') this.#isCommitUnconfirmed = true;
  };

  /**
   * @param connection what `pg` made
   * @param onReadOnly told when the server says that it may only read
   */
  constructor(
    readonly connection: PostgresConnection,
    private readonly storage: string,
    private readonly names: StatementNames,
    private readonly onReadOnly: () => void,
  ) {
    connection.on('error', this.#noteBroken);
    connection.on('notice', this.#noteNotice);
  }

  async run<Answer>(query: Query<Answer>): Promise<Answer> {
    const { text, values, isPrepared } = query;
    // What was written in a transaction is undone with it.
    const isOutcomeUnknown = query.writes === true && !this.#isInTransaction;
    // A transaction ends with the first error, so nothing that may have to be tried again belongs in it.
    const name = isPrepared && !this.#isInTransaction ? this.names.of(text) : undefined;
    const { rows } = await this.#send({ name, text, values }, isOutcomeUnknown);
    return query.answer(rows as Row[]);
  }

  /** Runs a statement of the application, by its own rules, in the transaction. @throws what `pg` fails with */
  async runForOthers(...statement: unknown[]): Promise<unknown> {
    if (!this.#isForOthers) throw new Error('The transaction of this attempt is over: await what you do with it.');
    this.#othersRunning++;
    try {
      const connection = this.connection as unknown as { query(...statement: unknown[]): Promise<unknown> };
      return await connection.query(...statement);
    } catch (error) {
      this.#noteFailure(error);
      // What `pg` says afterwards is only that the connection is over.
      throw this.#brokenBy ?? error;
    } finally {
      this.#othersRunning--;
    }
  }

  async begin(): Promise<void> {
    // Whatever the default of the database is: lease and checkpoint have to see what others have committed.
    this.#isInTransaction = true;
    await this.#send({ text: `BEGIN ISOLATION LEVEL READ COMMITTED; ${LONGEST_PAUSE}` }, false);
    this.#isForOthers = true;
  }

  /** @throws {StorageFailedError} when a statement of the transaction had failed, and the failure was caught */
  async commit(): Promise<void> {
    this.#isForOthers = false;
    const { command } = await this.#send({ text: 'COMMIT' }, true);
    this.#isInTransaction = false;
    // The server rolls such a transaction back, and does not call that an error.
    if (command === 'COMMIT') return;
    throw new StorageFailedError(
      this.storage,
      new Error('a statement of the transaction failed, so it was rolled back'),
    );
  }

  /** Undoes the transaction, if one is open. */
  async rollBack(): Promise<void> {
    this.#isForOthers = false;
    // Nobody waits for the statement any more, which may take long. Closing the connection undoes as much.
    if (this.#othersRunning > 0) this.#isBroken = true;
    try {
      if (this.#isInTransaction && !this.#isBroken) await this.#send({ text: 'ROLLBACK' }, false);
    } catch {
      // The server undoes what a broken connection had begun.
      this.#isBroken = true;
    }
    this.#isInTransaction = false;
  }

  /** Closes it, instead of giving it back. Idempotent. */
  destroy(): void {
    this.#isBroken = true;
    if (!this.#isReleased) this.release();
  }

  /** Gives it back to the pool, which closes it if it is broken. */
  release(): void {
    this.#isReleased = true;
    this.connection.release(this.#isBroken);
    this.connection.removeListener('notice', this.#noteNotice);
    // The pool listens to those that it keeps. One that is being closed may still fail.
    if (!this.#isBroken) this.connection.removeListener('error', this.#noteBroken);
  }

  async #send({ name, text, values = [] }: Statement, isOutcomeUnknown: boolean): Promise<PostgresResult> {
    const query = { text, values: values as unknown[], rowMode: 'array', types: AS_TEXT } as const;
    this.#isCommitUnconfirmed = false;
    let result: PostgresResult;
    try {
      result = await this.connection.query(name === undefined ? query : { ...query, name });
    } catch (error) {
      if (name !== undefined && isPlanLost(error)) {
        this.names.areKnown = false;
        return this.#send({ text, values }, isOutcomeUnknown);
      }
      this.#noteFailure(error);
      throw toStoreError(this.#brokenBy ?? error, this.storage, isOutcomeUnknown);
    }
    // The server has committed, and calls that a warning: with that standby in its place, it may be as if it had not.
    if (this.#isCommitUnconfirmed && isOutcomeUnknown) throw unconfirmed(this.storage);
    return result;
  }

  #noteFailure(error: unknown): void {
    if (isConnectionLost(error)) this.#isBroken = true;
    if (!isReadOnly(error)) return;
    this.#isBroken = true;
    this.onReadOnly();
  }
}

function unconfirmed(storage: string): StorageUnavailableError {
  const cause = new Error('the wait for the synchronous standby was cancelled, so it may not have what was committed');
  return new StorageUnavailableError(storage, true, cause);
}

interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

/**
 * Names for prepared statements, one for each text.
 *
 * A pooler may run the next statement on another connection to the server, where the name is not known. The first time that
 * happens, statements lose their names for good; none of them had been run.
 */
export class StatementNames {
  areKnown = true;
  readonly #byText = new Map<string, string>();

  of(text: string): string | undefined {
    if (!this.areKnown) return undefined;
    let name = this.#byText.get(text);
    if (name === undefined) {
      name = `event_store_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
      this.#byText.set(text, name);
    }
    return name;
  }
}
