import { ValidationError } from '../store/values/errors.js';
import type { CheckedOutConnection } from './checked-out-connection.js';
import type { Lane } from './connection-turns.js';
import type { NewConnection } from './postgres-pool.js';
import type { Query } from './query.js';
import type { ServerConnections } from './server-connections.js';

export type { PostgresConnection, PostgresPool, PostgresResult } from './postgres-pool.js';
export type { Query, Row } from './query.js';

interface PostgresClientOptions {
  /** What is reached by it, in words. */
  readonly storage: string;
  /** Whether the pools are its own, and to be ended with it. */
  readonly endsPools: boolean;
  /** Whether it holds a connection to listen. */
  readonly listens: boolean;
}

/**
 * Runs statements on connections of a pool, and turns what fails into errors of the store.
 *
 * A connection that breaks tells everybody who listens, and ends the process when nobody does. So somebody always listens;
 * who has a query on it gets the error as well.
 */
export class PostgresClient {
  /** @throws {ValidationError} when the pool has too few connections for one store more */
  constructor(
    readonly connections: ServerConnections,
    private readonly options: PostgresClientOptions,
  ) {
    const needed = connections.turns.join(options.listens);
    if (needed !== undefined) {
      const problem = `its "max" is ${connections.turns.connections}: for the stores that use it, it needs at least ${needed} connections.`;
      throw new ValidationError('postgresEngine.pool', problem);
    }
    for (const { pool } of connections.servers) {
      pool.on('error', ignore);
      pool.on('connect', listenFromTheBeginning);
    }
  }

  async run<Answer>(query: Query<Answer>, lane: Lane = query.writes ? 'upkeep' : 'read'): Promise<Answer> {
    return this.#inTurn(lane, async () => {
      const connection = await this.connect();
      try {
        return await connection.run(query);
      } finally {
        connection.release();
      }
    });
  }

  /** Runs `work` in a transaction, which is kept when its promise is fulfilled. */
  async transaction<T>(work: (connection: CheckedOutConnection) => Promise<T>): Promise<T> {
    return this.#inTurn('transaction', async () => {
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
    });
  }

  /** Takes a connection out of the pool; to be released. */
  connect(): Promise<CheckedOutConnection> {
    return this.connections.connect(this.options.storage);
  }

  /** Asks whether a connection still leads to the primary. @throws when it does not, or when it is lost */
  recheck(connection: CheckedOutConnection): Promise<void> {
    return this.connections.recheck(connection, this.options.storage);
  }

  /** Leaves the pool as it was; or ends it, if it is its own. */
  async close(): Promise<void> {
    const { endsPools, listens } = this.options;
    this.connections.turns.leave(listens);
    // Connections that are being closed may still fail, and say so after the pool has ended.
    if (endsPools) await this.connections.end();
    else
      for (const { pool } of this.connections.servers) {
        pool.removeListener('error', ignore);
        pool.removeListener('connect', listenFromTheBeginning);
      }
  }

  async #inTurn<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    const { turns } = this.connections;
    const turn = turns.take(lane, this.options.storage);
    if (turn) await turn;
    try {
      return await work();
    } finally {
      turns.giveBack(lane);
    }
  }
}

function ignore(): void {
  // The pool has given the connection up; the next statement gets another one.
}

/**
 * The pool hands a new connection over and stops listening, and whoever asked for it goes on a microtask later. What the server
 * says in the same packet as its greeting, such as that it is going down, would find nobody. In the next turn of the event
 * loop, whoever has it listens.
 */
function listenFromTheBeginning(connection: NewConnection): void {
  connection.on('error', ignore);
  setImmediate(() => connection.removeListener('error', ignore));
}
