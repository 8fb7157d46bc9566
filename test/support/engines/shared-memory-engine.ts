import {
  type AppendRequest,
  type Checkpoint,
  type CheckpointConditions,
  type Clock,
  type EngineCapabilities,
  type EngineContext,
  type EngineTransaction,
  type Lease,
  LeaseLostError,
  type LeaseRequest,
  type LogPage,
  memoryEngine,
  type RecordedEvent,
  type StorageEngine,
} from 'nestjs-stream-store';
import { aroundEngine } from './around-engine.js';

/** What writes in a transaction of a `SharedMemory`, to a table that belongs to the application. */
export interface SharedMemoryClient {
  /** @param onKept called when the row is committed */
  insert(row: string, onKept?: () => void): void;
}

/** What a `SharedMemory` held at one moment. */
export interface SharedMemoryCopy {
  readonly events: readonly RecordedEvent[];
  readonly rows: readonly string[];
  readonly leases: readonly (readonly [string, HeldLease])[];
  readonly checkpoints: readonly (readonly [string, Checkpoint])[];
}

const EVERYTHING = {
  after: 0,
  limit: Infinity,
  maxBytes: Infinity,
  direction: 'forward',
  filter: undefined,
  recordedSince: -Infinity,
} as const;

interface HeldLease extends Lease {
  readonly endsAt: number;
}

/**
 * A log in memory that several stores share, as processes share a database: each has an engine object of its own. It has
 * leases, by a clock of its own, and transactions.
 */
export class SharedMemory {
  /** What transactions have written and committed. */
  readonly rows: string[] = [];
  readonly leases = new Map<string, HeldLease>();
  readonly checkpoints = new Map<string, Checkpoint>();
  /** Told of each checkpoint that is kept, with the lease under which. */
  onCheckpoint: (name: string, checkpoint: Checkpoint, lease: Lease | undefined) => void = () => undefined;

  /** Called before each transaction is kept, in the order in which their work has ended. */
  beforeCommit: () => Promise<void> | void = () => undefined;

  #inner = memoryEngine();
  #context: EngineContext | undefined;
  readonly #listeners = new Map<(streamId?: string) => void, StorageEngine>();
  #isOpen = false;

  constructor(
    private readonly clock: Clock,
    private readonly supports: EngineCapabilities = { snapshot: false, leases: true, transactions: true },
  ) {}

  /** All that is kept now; for `putBack`. */
  backUp(): SharedMemoryCopy {
    const { events } = this.#inner.readAll(EVERYTHING) as LogPage;
    return { events, rows: [...this.rows], leases: [...this.leases], checkpoints: [...this.checkpoints] };
  }

  /** Makes everything as it was, under the stores that are open. Nobody is told. */
  async putBack({ events, rows, leases, checkpoints }: SharedMemoryCopy): Promise<void> {
    this.#inner = memoryEngine();
    await this.#inner.open(this.#context!);
    for (const { streamId, id, type, data, metadata, timestamp } of events) {
      const texts = { data: JSON.stringify(data), metadata: JSON.stringify(metadata) };
      const event = { id, type, ...texts, timestamp: timestamp.getTime() };
      await this.#inner.append({ streamId, events: [event], expectedRevision: 'any', recordedSince: -Infinity });
    }
    this.rows.splice(0, Infinity, ...rows);
    this.leases.clear();
    for (const [name, lease] of leases) this.leases.set(name, lease);
    this.checkpoints.clear();
    for (const [name, checkpoint] of checkpoints) {
      this.checkpoints.set(name, checkpoint);
      await this.#inner.saveCheckpoint(name, checkpoint);
    }
  }

  engine(): StorageEngine {
    // Which one it is may change.
    const inner = new Proxy({} as StorageEngine, {
      has: (_, member) => member in this.#inner,
      get: (_, member: keyof StorageEngine) => {
        const value: unknown = Reflect.get(this.#inner, member);
        if (typeof value !== 'function') return value;
        return (...request: unknown[]) => Reflect.apply(value, this.#inner, request) as unknown;
      },
    });
    const engine: StorageEngine = {
      ...aroundEngine((_verb, ask) => ask(), inner),
      name: 'shared-memory',
      supports: this.supports,
      open: (context) => {
        if (this.#isOpen) return undefined;
        this.#isOpen = true;
        this.#context = { ...context, clock: this.clock };
        return inner.open(this.#context);
      },
      // The others may still need it.
      close: () => undefined,
      append: (request: AppendRequest) => {
        const answer = inner.append(request);
        for (const [tell, of] of this.#listeners) if (of !== engine) tell(request.streamId);
        return answer;
      },
      saveCheckpoint: (name, checkpoint, lease, conditions) => this.#save(name, checkpoint, lease, conditions),
      removeCheckpoint: (name) => {
        this.checkpoints.delete(name);
        return inner.removeCheckpoint(name);
      },
      acquireLease: (request) => this.acquire(request),
      releaseLease: ({ name, holder, token }) => {
        const held = this.leases.get(name);
        if (held?.token === token && held.holder === holder) this.leases.set(name, { ...held, endsAt: -Infinity });
      },
      listLeases: (prefix) => {
        const held = [...this.leases.values()].filter((lease) => this.#isHeld(lease) && lease.name.startsWith(prefix));
        return held.map(leaseOf).sort((a, b) => (a.name < b.name ? -1 : 1));
      },
      transact: (work) => this.#transact(work),
      onAppended: (listener) => {
        this.#listeners.set(listener, engine);
        return () => void this.#listeners.delete(listener);
      },
    };
    return engine;
  }

  acquire({ name, holder, durationMs, evenFrom }: LeaseRequest): Lease | undefined {
    const held = this.leases.get(name);
    const isGone = held?.holder === evenFrom?.holder && held?.token === evenFrom?.token;
    const isHeld = held !== undefined && this.#isHeld(held) && !isGone;
    if (isHeld && held.holder !== holder) return undefined;
    const token = isHeld ? held.token : (held?.token ?? 0) + 1;
    const lease = { name, holder, token, endsAt: this.clock.now() + durationMs };
    this.leases.set(name, lease);
    return leaseOf(lease);
  }

  /** Who has a lease now. */
  holderOf(name: string): string | undefined {
    const held = this.leases.get(name);
    return held && this.#isHeld(held) ? held.holder : undefined;
  }

  #isHeld({ endsAt }: HeldLease): boolean {
    return endsAt > this.clock.now();
  }

  #save(name: string, checkpoint: Checkpoint, lease: Lease | undefined, conditions?: CheckpointConditions): void {
    this.#keep(name, checkpoint, lease, conditions);
    this.onCheckpoint(name, this.checkpoints.get(name)!, lease);
  }

  #keep(name: string, checkpoint: Checkpoint, lease: Lease | undefined, conditions?: CheckpointConditions): void {
    this.#check(lease);
    // As a database does: it keeps no object of the process.
    const kept = JSON.parse(JSON.stringify(checkpoint)) as Checkpoint;
    void this.#inner.saveCheckpoint(name, kept, undefined, conditions);
    this.checkpoints.set(name, kept);
  }

  #check(lease: Lease | undefined): void {
    const held = lease && this.leases.get(lease.name);
    if (lease && (held?.token !== lease.token || held.holder !== lease.holder)) throw new LeaseLostError(lease.name);
  }

  async #transact<T>(work: (transaction: EngineTransaction) => Promise<T>): Promise<T> {
    const commits: (() => void)[] = [];
    let lease: Lease | undefined;
    let isOver = false;
    const client: SharedMemoryClient = {
      insert: (row, onKept) => {
        if (isOver) throw new Error('the transaction is over');
        commits.push(() => {
          this.rows.push(row);
          onKept?.();
        });
      },
    };
    const answer = await work({
      client,
      saveCheckpoint: async (name, checkpoint, under, conditions) => {
        this.#check((lease = under));
        // What may refuse comes before the rows, and who looks on is told when all of it is kept.
        commits.unshift(() => this.#keep(name, checkpoint, under, conditions));
        commits.push(() => this.onCheckpoint(name, this.checkpoints.get(name)!, under));
      },
    }).finally(() => (isOver = true));
    await this.beforeCommit();
    this.#check(lease);
    for (const commit of commits) commit();
    return answer;
  }
}

function leaseOf({ name, holder, token }: HeldLease): Lease {
  return { name, holder, token };
}
