import { StorageUnavailableError } from '../store/values/errors.js';

/**
 * What a connection is wanted for: an append, what keeps handlers at work (leases, checkpoints, announcements), a read, or
 * a transaction, in which any of the others may be called.
 */
export type Lane = 'append' | 'upkeep' | 'read' | 'transaction';

interface Waiting {
  readonly lane: Lane;
  readonly goOn: () => void;
}

/**
 * Lets the stores that share a pool take so many of its connections that none of them waits for another for ever.
 *
 * Appends never wait here: one connection is left to them, whatever else is under way. A transaction ends only when what
 * is called within it has been answered, so transactions leave one more connection to that. Reads alone never take so
 * many that leases cannot be prolonged. Everybody else goes in the order in which they came, as far as there is room.
 */
export class ConnectionTurns {
  /** How many stores hold a connection to listen. */
  #listeners = 0;
  #transactions = 0;
  #reads = 0;
  #upkeep = 0;
  #waiting: Waiting[] = [];

  /** @param connections how many the pool has; Infinity when nobody knows */
  constructor(
    readonly connections: number,
    private readonly longestWaitMs: number,
  ) {}

  /** Counts a store that opens. @returns how many connections the pool would need; undefined when it has as many */
  join(listens: boolean): number | undefined {
    const needed = this.#listeners + (listens ? 1 : 0) + 2;
    if (needed > this.connections) return needed;
    if (listens) this.#listeners++;
    return undefined;
  }

  leave(listens: boolean): void {
    if (listens) this.#listeners--;
    this.#letOthersGo();
  }

  /** Resolves when a connection may be asked for; undefined when it may be at once. */
  take(lane: Lane, storage: string): Promise<void> | undefined {
    if (lane === 'append') return undefined;
    if (this.#waiting.every((other) => other.lane !== lane) && this.#hasRoomFor(lane)) {
      this.#count(lane, 1);
      return undefined;
    }
    return this.#wait(lane, storage);
  }

  giveBack(lane: Lane): void {
    if (lane === 'append') return;
    this.#count(lane, -1);
    this.#letOthersGo();
  }

  #wait(lane: Lane, storage: string): Promise<void> {
    return new Promise((resolve, reject) => {
      // A transaction waits for handlers, which take their time; the others for what is answered soon, or never.
      const isPatient = lane === 'transaction' || !(this.longestWaitMs > 0);
      const timer = isPatient ? undefined : setTimeout(() => giveUp(), this.longestWaitMs);
      const waiting = {
        lane,
        goOn: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const giveUp = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        const cause = new Error(`no connection was free within ${this.longestWaitMs} ms`);
        reject(new StorageUnavailableError(storage, false, cause));
      };
      this.#waiting.push(waiting);
    });
  }

  #letOthersGo(): void {
    const held = new Set<Lane>();
    this.#waiting = this.#waiting.filter(({ lane, goOn }) => {
      if (held.has(lane)) return true;
      if (!this.#hasRoomFor(lane)) {
        held.add(lane);
        return true;
      }
      this.#count(lane, 1);
      goOn();
      return false;
    });
  }

  #hasRoomFor(lane: Lane): boolean {
    const free = this.connections - this.#listeners;
    const mostTransactions = Math.max(1, free - 2);
    if (lane === 'transaction' && this.#transactions >= mostTransactions) return false;
    if (lane === 'read' && this.#reads >= Math.max(2, free - 3)) return false;
    return this.#transactions + this.#reads + this.#upkeep < Math.max(mostTransactions + 1, free - 1);
  }

  #count(lane: Lane, by: number): void {
    if (lane === 'transaction') this.#transactions += by;
    else if (lane === 'read') this.#reads += by;
    else this.#upkeep += by;
  }
}
