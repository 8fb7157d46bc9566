import { createHash } from 'node:crypto';
import { StorageFailedError } from '../store/errors.js';
import { isConnectionLost, isPlanLost, toStoreError } from './postgres-errors.js';
import { Turns } from './turns.js';

/** The part of a `pg` pool that this engine uses. */
export interface PostgresPool {
  connect(): Promise<PostgresConnection>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  readonly options?: { readonly max?: number };
}

/** The part of a `pg` client, taken from a pool, that this engine uses. */
export interface PostgresConnection {
  query(query: {
    name?: string;
    text: string;
    values?: unknown[];
    rowMode: 'array';
    types?: { getTypeParser: () => (text: string) => unknown };
  }): Promise<PostgresResult>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'notification', listener: (message: { channel: string; payload?: string }) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  /** @param destroy closes the connection instead of keeping it for others */
  release(destroy?: boolean): void;
}

export interface PostgresResult {
  readonly command: string;
  readonly rows: unknown[][];
}

/** The columns of a row, as the server writes them. */
export type Row = readonly (string | null)[];

/** A statement, and what its rows mean. */
export interface Query<Answer> {
  /** Whether it changes what is kept. */
  readonly writes?: boolean;
  /** Whether connections remember its plan, which takes longer to make than a short statement to run. */
  readonly isPrepared?: boolean;
  readonly text: string;
  readonly values: readonly unknown[];
  answer(rows: readonly Row[]): Answer;
}

/** Leaves every value as text: what an application told `pg` to make of its types is for its own queries. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };

/** What a transaction has locked is free again when its process is stopped, or cut off. */
const LONGEST_PAUSE = "SET LOCAL idle_in_transaction_session_timeout = '60s'";

interface PostgresClientOptions {
  /** What is reached by it, in words. */
  readonly storage: string;
  /** Whether the pool is its own, and to be ended with it. */
  readonly endsPool: boolean;
  /** How many transactions may be open at a time. */
  readonly mostTransactions: number;
}

/**
 * Runs statements on connections of a pool, and turns what fails into errors of the store.
 *
 * A connection that breaks tells everybody who listens, and ends the process when nobody does. So somebody always listens;
 * who has a query on it gets the error as well.
 */
export class PostgresClient {
  readonly #names = new StatementNames();
  readonly #transactions: Turns;

  constructor(
    private readonly pool: PostgresPool,
    private readonly options: PostgresClientOptions,
  ) {
    this.#transactions = new Turns(options.mostTransactions);
    pool.on('error', ignore);
  }

  async run<Answer>(query: Query<Answer>): Promise<Answer> {
    const connection = await this.connect();
    try {
      return await connection.run(query);
    } finally {
      connection.release();
    }
  }

  /** Runs `work` in a transaction, which is kept when its promise is fulfilled. */
  async transaction<T>(work: (connection: CheckedOutConnection) => Promise<T>): Promise<T> {
    await this.#transactions.take();
    try {
      return await this.#transact(work);
    } finally {
      this.#transactions.giveBack();
    }
  }

  async #transact<T>(work: (connection: CheckedOutConnection) => Promise<T>): Promise<T> {
    const connection = await this.connect();
    try {
      await connection.begin();
      const answer = await work(connection);
      await connection.commit();
      return answer;
    } catch (error) {
      await connection.rollBack();
      throw error;
    } finally {
      connection.release();
    }
  }

  /** Takes a connection out of the pool; to be released. */
  async connect(): Promise<CheckedOutConnection> {
    const { storage } = this.options;
    try {
      return new CheckedOutConnection(await this.pool.connect(), storage, this.#names);
    } catch (error) {
      throw toStoreError(error, storage, false);
    }
  }

  /** Leaves the pool as it was; or ends it, if it is its own. */
  async close(): Promise<void> {
    // Connections that are being closed may still fail, and say so after the pool has ended.
    if (this.options.endsPool) await this.pool.end();
    else this.pool.removeListener('error', ignore);
  }
}

/** A connection that is not in the pool. */
export class CheckedOutConnection {
  #isBroken = false;
  #isInTransaction = false;
  /** Whether the transaction takes statements of the application. */
  #isForOthers = false;
  #othersRunning = 0;
  #isReleased = false;
  readonly #noteBroken = (): void => void (this.#isBroken = true);

  constructor(
    /** What `pg` made. */
    readonly connection: PostgresConnection,
    private readonly storage: string,
    private readonly names: StatementNames,
  ) {
    connection.on('error', this.#noteBroken);
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
    // The pool listens to those that it keeps. One that is being closed may still fail.
    if (!this.#isBroken) this.connection.removeListener('error', this.#noteBroken);
  }

  async #send({ name, text, values = [] }: Statement, isOutcomeUnknown: boolean): Promise<PostgresResult> {
    const query = { text, values: values as unknown[], rowMode: 'array', types: AS_TEXT } as const;
    try {
      return await this.connection.query(name === undefined ? query : { ...query, name });
    } catch (error) {
      if (name !== undefined && isPlanLost(error)) {
        this.names.areKnown = false;
        return this.#send({ text, values }, isOutcomeUnknown);
      }
      if (isConnectionLost(error)) this.#isBroken = true;
      throw toStoreError(error, this.storage, isOutcomeUnknown);
    }
  }
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

function ignore(): void {
  // The pool has given the connection up; the next statement gets another one.
}
