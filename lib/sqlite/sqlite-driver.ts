import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ValidationError } from '../store/values/errors.js';

/** What a statement takes and gives. Whole numbers up to 2^53 only. */
export type SqliteValue = string | number | null;

/** The part of a prepared statement that this engine uses. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): unknown;
  /** The first row, by column; undefined when there is none. */
  get(...values: SqliteValue[]): unknown;
  all(...values: SqliteValue[]): unknown[];
}

/** The part of an open database that this engine uses. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

/** Opens the database in a file: `DatabaseSync` of `node:sqlite`, `Database` of better-sqlite3, and what is like them. */
export type SqliteDriver = new (file: string) => SqliteDatabase;

/** The first version of Node-API that better-sqlite3 13 can live with: with an older one it ends the process. */
const NODE_API_OF_13 = 10;

/** Where a driver is looked for. A test may look elsewhere. */
export interface DriverPlaces {
  /** What Node has built in, if it has. */
  readonly builtIn: unknown;
  readonly nodeApi: number;
  /** Files of the application, from which packages are looked up as `require` does. */
  readonly from: readonly string[];
}

function placesHere(): DriverPlaces {
  return {
    builtIn: process.getBuiltinModule?.('node:sqlite'),
    nodeApi: Number(process.versions.napi),
    from: [process.argv[1], join(process.cwd(), 'package.json')].filter((file) => file !== undefined),
  };
}

/**
 * The driver that this Node has built in, or else the better-sqlite3 that the application has installed.
 *
 * @throws {ValidationError} that says what to install
 */
export function findDriver({ builtIn, nodeApi, from }: DriverPlaces = placesHere()): SqliteDriver {
  if (builtIn) return (builtIn as { readonly DatabaseSync: SqliteDriver }).DatabaseSync;
  const install = nodeApi < NODE_API_OF_13 ? 'npm install better-sqlite3@12' : 'npm install better-sqlite3';
  for (const file of from) {
    const require = createRequire(file);
    const version = versionSeenBy(require);
    if (version === undefined) continue;
    if (Number.parseInt(version) >= 13 && nodeApi < NODE_API_OF_13) {
      throw new ValidationError(
        'sqliteEngine.driver',
        `better-sqlite3 ${version} needs Node 22 and would end this process, Node ${process.versions.node}: ${install}`,
      );
    }
    return require('better-sqlite3') as SqliteDriver;
  }
  throw new ValidationError(
    'sqliteEngine.driver',
    `Node ${process.versions.node} has no node:sqlite, and better-sqlite3 is not installed: ${install}, or use Node 22.13.`,
  );
}

/** Asked before the package is loaded, as that may be too late. */
function versionSeenBy(require: NodeJS.Require): string | undefined {
  try {
    return (require('better-sqlite3/package.json') as { version: string }).version;
  } catch {
    // Not installed where this file would find it.
    return undefined;
  }
}
