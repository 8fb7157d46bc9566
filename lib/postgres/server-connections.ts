import { performance } from 'node:perf_hooks';
import { EventStoreError, StorageUnavailableError, ValidationError } from '../store/values/errors.js';
import { CheckedOutConnection, StatementNames } from './checked-out-connection.js';
import { ConnectionTurns } from './connection-turns.js';
import { READ_ONLY, toStoreError } from './postgres-errors.js';
import type { PostgresConnection, PostgresPool } from './postgres-pool.js';
import { type Session, session } from './queries/session.js';

/** A server, and the pool whose connections lead to it. */
export interface Server {
  /** For people, without user and password. */
  readonly name: string;
  readonly pool: PostgresPool;
}

/** For how long a connection is taken to lead to where it did when it was last asked. */
const RECHECK_AFTER_MS = 15_000;

interface Admission {
  readonly generation: number;
  /** By a clock that nobody sets. */
  readonly askedAt: number;
}

const byPool = new WeakMap<PostgresPool, ServerConnections>();

/**
 * Connections that lead to where the store can work: to the primary, or to a standby of it.
 *
 * Each one is asked who it is before it is used first, and again when it has been in use for a while: a name, a balancer or
 * a pool may lead to the old primary after a failover. When one turns out to lead to a server that may not write, all
 * that were made before it are of an older generation, and none of them is used again.
 *
 * Of several servers, the one that was right last is tried first. There, a server is also wrong when it has other data than
 * the first one had, or has not seen a promotion that another one has seen: it may come back as a primary of its own.
 */
export class ServerConnections {
  readonly turns: ConnectionTurns;
  readonly #names = new StatementNames();
  readonly #admitted = new WeakMap<PostgresConnection, Admission>();
  readonly #onGivenUp = new Set<() => void>();
  #generation = 0;
  #tellsIdentity = true;
  #systemIdentifier: string | undefined;
  #timeline = 0;
  #best: Server;

  /** @param role what the servers are wanted for */
  constructor(
    readonly servers: readonly Server[],
    private readonly role: 'primary' | 'standby' = 'primary',
  ) {
    this.#best = servers[0];
    const { max = Infinity, connectionTimeoutMillis = 0 } = servers[0].pool.options ?? {};
    this.turns = new ConnectionTurns(max, connectionTimeoutMillis);
  }

  /** Those of a pool of the application, which all stores on it share. */
  static of(pool: PostgresPool): ServerConnections {
    let connections = byPool.get(pool);
    if (!connections) byPool.set(pool, (connections = new ServerConnections([{ name: 'the server', pool }])));
    return connections;
  }

  /** Calls `listener` when all connections there are were given up. @returns stops the calls */
  onGivenUp(listener: () => void): () => void {
    this.#onGivenUp.add(listener);
    return () => this.#onGivenUp.delete(listener);
  }

  /**
   * Takes a connection out of the pool; to be released.
   *
   * @throws {StorageUnavailableError} when no server is there that can be worked with
   * @throws {ValidationError} when a setting would change what is kept, or what is read
   */
  async connect(storage: string): Promise<CheckedOutConnection> {
    const reasons: string[] = [];
    for (const server of [this.#best, ...this.servers.filter((other) => other !== this.#best)]) {
      try {
        const connection = await this.#connectTo(server, storage);
        this.#best = server;
        return connection;
      } catch (error) {
        if (this.servers.length === 1 || !(error instanceof StorageUnavailableError)) throw error;
        const { message } = error.cause as Error;
        reasons.push(message.startsWith(server.name) ? message : `${server.name}: ${message}`);
      }
    }
    throw new StorageUnavailableError(storage, false, new Error(reasons.join('; ')));
  }

  /** Whether a connection still leads to where it did. Asks the server. @throws what that fails with */
  async recheck(connection: CheckedOutConnection, storage: string): Promise<void> {
    await this.#admit(connection, this.#best, storage);
  }

  /** Ends the pools. */
  async end(): Promise<void> {
    await Promise.all(this.servers.map(({ pool }) => pool.end()));
  }

  async #connectTo(server: Server, storage: string): Promise<CheckedOutConnection> {
    for (;;) {
      const mayBeOld = (server.pool.idleCount ?? 0) > 0;
      const connection = await this.#takeOut(server, storage);
      const known = this.#admitted.get(connection.connection);
      if (known && known.generation !== this.#generation) {
        connection.destroy();
        continue;
      }
      if (known && performance.now() - known.askedAt < RECHECK_AFTER_MS) return connection;
      try {
        await this.#admit(connection, server, storage);
        return connection;
      } catch (error) {
        connection.destroy();
        // Nothing was asked of it yet, and a new one may lead elsewhere.
        if (!(error instanceof StorageUnavailableError) || !(known || mayBeOld)) throw error;
      }
    }
  }

  async #takeOut({ pool }: Server, storage: string): Promise<CheckedOutConnection> {
    let taken: PostgresConnection;
    try {
      taken = await pool.connect();
    } catch (error) {
      throw toStoreError(error, storage, false);
    }
    return new CheckedOutConnection(taken, storage, this.#names, () => this.#giveUp(taken));
  }

  async #admit(connection: CheckedOutConnection, server: Server, storage: string): Promise<void> {
    const generation = this.#generation;
    const found = await this.#ask(connection);
    checkSettings(found);
    const problem = this.#problemOf(found);
    if (problem !== undefined) {
      const cause = Object.assign(new Error(`${server.name} cannot be used: ${problem}`), { code: READ_ONLY });
      throw new StorageUnavailableError(storage, false, cause);
    }
    const { systemIdentifier, timeline = 0 } = found;
    this.#systemIdentifier ??= systemIdentifier;
    // Whoever is connected to what was the primary before this promotion may not know of it yet.
    const wasPromoted = this.#timeline > 0 && timeline > this.#timeline;
    this.#timeline = this.servers.length > 1 ? Math.max(timeline, this.#timeline) : timeline;
    if (wasPromoted) this.#beginAnew();
    const admission = { generation: wasPromoted ? this.#generation : generation, askedAt: performance.now() };
    this.#admitted.set(connection.connection, admission);
  }

  async #ask(connection: CheckedOutConnection): Promise<Session> {
    if (!this.#tellsIdentity) return connection.run(session(false));
    try {
      return await connection.run(session(true));
    } catch (error) {
      if (error instanceof EventStoreError && error.code === 'STORAGE_UNAVAILABLE') throw error;
      // Not every role may ask that, and not every server that speaks like PostgreSQL has it.
      this.#tellsIdentity = false;
      return connection.run(session(false));
    }
  }

  #problemOf({ readOnlyBecause, systemIdentifier, timeline }: Session): string | undefined {
    if (this.role === 'standby') return readOnlyBecause === 'it is a standby' ? undefined : 'it is no standby';
    if (readOnlyBecause !== undefined) return readOnlyBecause;
    // Whoever gives one address has decided where it leads, also to a restored copy.
    if (this.servers.length === 1) return undefined;
    if (this.#systemIdentifier !== undefined && systemIdentifier !== undefined) {
      if (systemIdentifier !== this.#systemIdentifier) return 'its data is not that of the server before';
    }
    if (timeline !== undefined && timeline < this.#timeline) return 'another server was promoted since';
    return undefined;
  }

  /** Gives up the connections of a generation, of which one may not write. */
  #giveUp(connection: PostgresConnection): void {
    if (this.#admitted.get(connection)?.generation === this.#generation) this.#beginAnew();
  }

  #beginAnew(): void {
    this.#generation++;
    for (const listener of [...this.#onGivenUp]) listener();
  }
}

/** @throws {ValidationError} that names what would change what is kept, or what is read */
function checkSettings({ isPlain, settings }: Session): void {
  if (!isPlain) {
    const problem = 'its answers do not come as texts: give a Pool of pg without "binary", and not the native one.';
    throw new ValidationError('postgresEngine.pool', problem);
  }
  const isolation = settings.default_transaction_isolation;
  if (isolation !== 'read committed') {
    const problem = `default_transaction_isolation is "${isolation}": set it to "read committed" for this role.`;
    throw new ValidationError('postgresEngine', problem);
  }
  if (settings.client_encoding !== 'UTF8') {
    const problem = `client_encoding is "${settings.client_encoding}": texts would be read wrong, so leave it at UTF8.`;
    throw new ValidationError('postgresEngine', problem);
  }
  if (settings.array_nulls === 'off') {
    throw new ValidationError(
      'postgresEngine',
      'array_nulls is off: set it to "on" for this role, as it is by default.',
    );
  }
  for (const setting of ['zero_damaged_pages', 'ignore_checksum_failure'] as const) {
    if (settings[setting] !== 'on') continue;
    const problem = `${setting} is on, so damage would be read as if nothing had been there: set it to "off".`;
    throw new ValidationError('postgresEngine', problem);
  }
}
