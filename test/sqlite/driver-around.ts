import type { SqliteDatabase, SqliteDriver, SqliteStatement, SqliteValue } from 'nestjs-stream-store/sqlite';
import { driver } from './sqlite-files.js';

/** A driver, every statement of which goes through `around`. */
export function driverAround(around: (sql: string, run: () => unknown) => unknown): SqliteDriver {
  return class implements SqliteDatabase {
    readonly #database: SqliteDatabase;

    constructor(file: string) {
      this.#database = new driver(file);
    }

    exec(sql: string): unknown {
      return around(sql, () => this.#database.exec(sql));
    }

    prepare(sql: string): SqliteStatement {
      const statement = this.#database.prepare(sql);
      return {
        run: (...values: SqliteValue[]) => around(sql, () => statement.run(...values)),
        get: (...values: SqliteValue[]) => around(sql, () => statement.get(...values)),
        all: (...values: SqliteValue[]) => around(sql, () => statement.all(...values)) as unknown[],
      };
    }

    close(): unknown {
      return this.#database.close();
    }
  };
}

/** A driver that runs a statement on every connection that it opens. */
export function driverWith(pragma: string): SqliteDriver {
  return class {
    constructor(file: string) {
      const database = new driver(file);
      database.exec(pragma);
      return database;
    }
  } as unknown as SqliteDriver;
}

/** What a driver throws when SQLite fails with this result code. */
export function sqliteError(errcode: number, message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode });
}
