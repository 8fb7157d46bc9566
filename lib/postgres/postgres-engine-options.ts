import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { shown } from '../store/values/names.js';
import type { PostgresPool } from './postgres-client.js';
import { type ServerAddress, serverAddresses } from './server-addresses.js';

export interface PostgresEngineOptions {
  /**
   * A pool of `pg` that the application has made, and ends. The store takes one connection of it for as long as it is open,
   * unless `listen` is false, and one for each call and transaction that is under way. It has to have at least 3.
   */
  readonly pool?: PostgresPool;

  /**
   * Where the database is, such as `postgres://user:password@host/database`: the store makes a pool of its own. Of several
   * hosts, `postgres://user:password@a:5432,b:5432/database`, it works with the one that is the primary.
   */
  readonly connectionString?: string;

  /** The servers, such as `['db-a:5432', 'db-b:5432']`, in place of the host of `connectionString`. */
  readonly hosts?: readonly string[];

  /** How many connections a pool of the store's own has at most; at least 3. Default 10. */
  readonly maxConnections?: number;

  /**
   * Where the tables are; made if it is not there. Each store needs one of its own: 1 to 48 characters, letters, digits,
   * `_` and `-`, not beginning with `pg_`. Default `event_store`.
   */
  readonly schema?: string;

  /**
   * Whether instances tell each other of appends, by LISTEN and NOTIFY. Set it to false behind a pooler that lends a
   * connection for one transaction only: appends of other instances are then seen within a second. Default true.
   */
  readonly listen?: boolean;

  /**
   * Whether an append is refused, and nothing of it kept, while commits do not wait for a synchronous standby: then none that was
   * acknowledged is lost when that standby takes over. Default false.
   */
  readonly requireSynchronousStandby?: boolean;
}

/** One listens, one is in a transaction, and one is for what is called within that. */
const LEAST_CONNECTIONS = 3;

/** The value of every option that was left out, except `pool`, `connectionString` and `hosts`. */
export const DEFAULT_POSTGRES_ENGINE_OPTIONS = Object.freeze({
  maxConnections: 10,
  schema: 'event_store',
  listen: true,
  requireSynchronousStandby: false,
} satisfies PostgresEngineOptions);

/** Options that were checked and filled in. */
export interface CheckedPostgresEngineOptions {
  readonly source: { readonly pool: PostgresPool } | { readonly servers: readonly ServerAddress[] };
  readonly maxConnections: number;
  readonly schema: string;
  readonly listen: boolean;
  readonly requireSynchronousStandby: boolean;
}

/** @throws {ValidationError} that names the option */
export function checkPostgresEngineOptions(options: PostgresEngineOptions): CheckedPostgresEngineOptions {
  const known = [...Object.keys(DEFAULT_POSTGRES_ENGINE_OPTIONS), 'pool', 'connectionString', 'hosts'];
  checkMembers(options, 'postgresEngine', known);
  const {
    maxConnections = DEFAULT_POSTGRES_ENGINE_OPTIONS.maxConnections,
    schema = DEFAULT_POSTGRES_ENGINE_OPTIONS.schema,
    listen = DEFAULT_POSTGRES_ENGINE_OPTIONS.listen,
    requireSynchronousStandby = DEFAULT_POSTGRES_ENGINE_OPTIONS.requireSynchronousStandby,
  } = options;
  if (!Number.isSafeInteger(maxConnections) || maxConnections < LEAST_CONNECTIONS) {
    throw new ValidationError('postgresEngine.maxConnections', `${shown(maxConnections)} is no whole number above 2.`);
  }
  if (typeof schema !== 'string' || !/^[A-Za-z_][A-Za-z0-9_-]{0,47}$/.test(schema) || schema.startsWith('pg_')) {
    throw new ValidationError(
      'postgresEngine.schema',
      `${shown(schema)} is none: give 1 to 48 letters, digits, "_" and "-", not beginning with a digit, "-" or "pg_".`,
    );
  }
  for (const [name, value] of Object.entries({ listen, requireSynchronousStandby })) {
    if (typeof value === 'boolean') continue;
    throw new ValidationError(`postgresEngine.${name}`, `${shown(value)} is neither true nor false.`);
  }
  return { source: toSource(options), maxConnections, schema, listen, requireSynchronousStandby };
}

function toSource(options: PostgresEngineOptions): CheckedPostgresEngineOptions['source'] {
  const { pool, connectionString, maxConnections, hosts } = options;
  if ((pool === undefined) === (connectionString === undefined)) {
    throw new ValidationError('postgresEngine', 'give either a pool of pg or a connectionString.');
  }
  if (pool === undefined) return { servers: serverAddresses(connectionString, hosts) };
  if (typeof pool?.connect !== 'function' || typeof pool.on !== 'function') {
    throw new ValidationError('postgresEngine.pool', `${shown(pool)} is none: give a Pool of pg.`);
  }
  for (const [name, value] of Object.entries({ maxConnections, hosts })) {
    if (value === undefined) continue;
    const whose = name === 'hosts' ? 'the pool has a host of its own' : 'the pool has its own "max"';
    throw new ValidationError(`postgresEngine.${name}`, `${whose}: leave this one out.`);
  }
  if ((pool.options?.max ?? Infinity) < LEAST_CONNECTIONS) {
    throw new ValidationError(
      'postgresEngine.pool',
      `its "max" is ${pool.options?.max}: give it at least 3 connections.`,
    );
  }
  return { pool };
}
