import { afterEach } from '@jest/globals';
import {
  type Clock,
  type EngineCapabilities,
  type EventStore,
  type EventStoreOptions,
  openEventStore,
  START,
  type StorageEngine,
} from 'nestjs-stream-store';
import type { Consumer, ConsumerStatus } from '../../../lib/consumer/consumer.js';
import { createConsumer } from '../../../lib/consumer/create-consumer.js';
import { checkConsumerOptions } from '../../../lib/consumer/consumer-options.js';
import { type DeadLetter, DeadLetterStore } from '../../../lib/consumer/dead-letters/dead-letter-store.js';
import { type HandlerParts, streamOf } from './machine.js';
import { ManualClock } from '../waiting/manual-clock.js';
import { RecordingLogger } from '../recorders.js';
import { SharedMemory } from '../engines/shared-memory-engine.js';
import { lettersIn } from '../letters-in.js';
import { internalsOf } from '../../../lib/store/store-internals.js';

const clusters: Cluster[] = [];

afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.leave();
});

/** Several processes with a store each, on one log. */
export class Cluster {
  readonly clock = new ManualClock();
  readonly memory: SharedMemory;
  readonly #instances: Instance[] = [];

  constructor(supports?: EngineCapabilities) {
    this.memory = new SharedMemory(this.clock, supports);
    clusters.push(this);
  }

  async instance(name: string, options: EventStoreOptions = {}): Promise<Instance> {
    const instance = new Instance(name, this);
    this.#instances.push(instance);
    await instance.boot(options);
    return instance;
  }

  /** Appends events one by one, as any process would: `a1` goes to stream `a`, and its data is its name. */
  async append(...names: string[]): Promise<void> {
    const { store } = this.#instances.find(({ isAlive, isStalled }) => isAlive && !isStalled)!;
    for (const name of names) await store.append(streamOf(name), { type: 'named', data: name });
  }

  async leave(): Promise<void> {
    for (const instance of this.#instances) await instance.shutDown();
    if (this.clock.pendingTimers > 0) throw new Error(`${this.clock.pendingTimers} timers are left`);
  }
}

/** One process: it can crash, and it can stall, as one that is stopped by a signal or collects garbage for long. */
export class Instance {
  readonly logger = new RecordingLogger();
  readonly leaseChanges: string[] = [];
  readonly failures: string[] = [];
  readonly backgroundFailures: string[] = [];
  isAlive = true;
  isStalled = false;
  store!: EventStore;
  deadLetters!: DeadLetterStore;
  /** Stands between the store and its engine. */
  around: (verb: string, ask: () => unknown) => unknown = (_verb, ask) => ask();

  readonly #timers = new Set<() => void>();
  /** What waits until the process goes on. */
  #missed: (() => void)[] = [];
  #consumers: Consumer[] = [];

  constructor(
    readonly name: string,
    private readonly cluster: Cluster,
  ) {}

  async boot(options: EventStoreOptions): Promise<void> {
    this.store = await openEventStore({
      engine: this.#engine(),
      clock: this.#clock(),
      logger: this.logger,
      metricsCollector: {
        onLeaseChange: ({ handler, change }) => void this.leaseChanges.push(`${handler} ${change}`),
        onHandlerFailure: ({ handler }) => void this.failures.push(handler),
        onBackgroundFailure: ({ operation }) => void this.backgroundFailures.push(operation),
      },
      snapshotInterval: 0,
      ...options,
    });
    internalsOf(this.store).instance = this.name;
    this.deadLetters = new DeadLetterStore(this.store);
  }

  /** Makes a consumer and lets it begin. */
  async run(parts: HandlerParts): Promise<Consumer> {
    const consumer = this.consumer(parts);
    await consumer.open();
    consumer.start();
    return consumer;
  }

  consumer({ target = { all: true }, from = START, handle, ...options }: HandlerParts): Consumer {
    const { store, deadLetters } = this;
    const consumer = createConsumer({
      name: options.durable ?? 'Live.handler',
      store,
      target,
      from,
      options: checkConsumerOptions(options),
      deadLetters,
      handle: (event, context) => (this.isAlive ? handle(event, context) : forever()),
    });
    this.#consumers.push(consumer);
    return consumer;
  }

  async deadLetterOf(name: string): Promise<DeadLetter> {
    const letter = (await lettersIn(this.deadLetters)).find(({ event }) => event.data === name);
    if (!letter) throw new Error(`there is no dead letter of ${name}`);
    return letter;
  }

  /** Ends without a word. */
  crash(): void {
    this.isAlive = false;
    for (const cancel of this.#timers) cancel();
  }

  /** Nothing goes on in this process. */
  stall(): void {
    this.isStalled = true;
  }

  /** What was missed happens now, first of all what the clock had called for. */
  goOn(): void {
    this.isStalled = false;
    for (const happen of this.#missed.splice(0)) happen();
  }

  /** Ends as an application does. */
  async shutDown(): Promise<void> {
    if (!this.isAlive) return;
    this.around = (_verb, ask) => ask();
    if (this.isStalled) this.goOn();
    await Promise.all(this.#consumers.splice(0).map((consumer) => consumer.stop()));
    await this.store.close();
    this.isAlive = false;
  }

  /** Lets something happen when the process is at work; never when it is not alive. */
  #happen(what: () => void): void {
    if (!this.isAlive) return;
    if (this.isStalled) this.#missed.push(what);
    else what();
  }

  #engine(): StorageEngine {
    const engine = this.cluster.memory.engine();
    const verbs = Object.entries(engine) as [string, unknown][];
    const wrapped = verbs.map(([verb, ask]) => {
      if (typeof ask !== 'function' || verb === 'onAppended') return [verb, ask];
      const through = (...request: unknown[]): unknown => {
        if (!this.isAlive) return forever();
        const answered = (async () =>
          this.around(verb, () => (ask as (...request: unknown[]) => unknown)(...request)))();
        return new Promise((resolve, reject) => {
          answered.then(
            (answer) => this.#happen(() => resolve(answer)),
            (error: Error) => this.#happen(() => reject(error)),
          );
        });
      };
      return [verb, through];
    });
    return Object.fromEntries(wrapped) as StorageEngine;
  }

  #clock(): Clock {
    const { clock } = this.cluster;
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      random: () => clock.random(),
      setTimer: (callback, delayMs) => {
        if (!this.isAlive) return () => undefined;
        let isCancelled = false;
        const cancelTimer = clock.setTimer(() => {
          this.#timers.delete(cancel);
          this.#happen(() => {
            if (!isCancelled) callback();
          });
        }, delayMs);
        const cancel = (): void => {
          isCancelled = true;
          cancelTimer();
          this.#timers.delete(cancel);
        };
        this.#timers.add(cancel);
        return cancel;
      },
    };
  }
}

/** How a consumer is, without what a test would have to repeat. */
export async function stateOf(consumer: Consumer): Promise<Pick<ConsumerStatus, 'state' | 'holder' | 'position'>> {
  const { state, holder, position } = await consumer.status();
  return { state, holder, position };
}

function forever(): Promise<never> {
  return new Promise(() => undefined);
}
