import { storageOf } from './sqlite-errors.js';
import type { SqliteDatabase, SqliteStatement, SqliteValue } from './sqlite-driver.js';

/**
 * A connection to the database: statements, prepared once, and transactions.
 *
 * Every call is answered at once or throws what the driver throws, so a transaction is over before anybody else in this
 * process comes to the connection.
 */
export class SqliteClient {
  readonly #statements = new Map<string, SqliteStatement>();
  /** Whether a transaction may be open: within one, and after one that could not be rolled back. */
  #mayBeWithin = false;

  /** What it is a connection to, for errors. */
  readonly storage: string;

  constructor(
    private readonly database: SqliteDatabase,
    file: string,
  ) {
    this.storage = storageOf(file);
  }

  /** Runs one or several statements without parameters, once. */
  exec(sql: string): void {
    this.database.exec(sql);
  }

  run(sql: string, ...values: SqliteValue[]): void {
    this.#prepared(sql).run(...values);
  }

  /** The first row, by the names of its columns. */
  get<Row>(sql: string, ...values: SqliteValue[]): Row | undefined {
    return this.#prepared(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SqliteValue[]): Row[] {
    // Under Jest, that of the driver is an array of another realm, to which no other array is strictly equal.
    return [...(this.#prepared(sql).all(...values) as Row[])];
  }

  /** Lets all statements of `work` see the same state of the database, whatever other processes write meanwhile. */
  reading<T>(work: () => T): T {
    return this.#within('BEGIN', work);
  }

  /** Keeps all that `work` writes, or nothing when it throws. Nobody else can write meanwhile. */
  writing<T>(work: () => T): T {
    // Not a plain BEGIN: it would take the lock at the first write, when what was read before may be old already.
    return this.#within('BEGIN IMMEDIATE', work);
  }

  close(): void {
    // A driver may keep the file open as long as there are statements.
    this.#statements.clear();
    this.database.close();
  }

  #within<T>(begin: string, work: () => T): T {
    if (this.#mayBeWithin) this.#rollBack();
    this.#mayBeWithin = true;
    try {
      this.run(begin);
      const answer = work();
      this.run('COMMIT');
      this.#mayBeWithin = false;
      return answer;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #rollBack(): void {
    try {
      this.run('ROLLBACK');
      this.#mayBeWithin = false;
    } catch {
      // Either there is nothing to roll back: a full disk and other failures have done it by themselves (SQLite, "Response To
      // Errors Within A Transaction"). Or it is tried again before the next transaction.
    }
  }

  #prepared(sql: string): SqliteStatement {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
