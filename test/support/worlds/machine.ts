import { afterEach } from '@jest/globals';
import {
  type Checkpoint,
  type Clock,
  type ConsumerOptions,
  type EventStore,
  type EventStoreOptions,
  memoryEngine,
  openEventStore,
  START,
  type StorageEngine,
  type SubscriptionStart,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { checkConsumerOptions } from '../../../lib/consumer/consumer-options.js';
import { type DeadLetter, DeadLetterStore } from '../../../lib/consumer/dead-letters/dead-letter-store.js';
import type { EventHandler } from '../../../lib/consumer/handling/handler-attempts.js';
import { EventConsumer } from '../../../lib/consumer/run/event-consumer.js';
import { type Around, aroundEngine } from '../engines/around-engine.js';
import { ManualClock } from '../waiting/manual-clock.js';
import { RecordingLogger } from '../recorders.js';
import { lettersIn } from '../letters-in.js';

const machines: Machine[] = [];

afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.leave();
});

/** A consumer, as a test describes it. */
export interface HandlerParts extends ConsumerOptions {
  readonly target?: SubscriptionTarget;
  readonly from?: SubscriptionStart;
  readonly handle: EventHandler;
}

/**
 * A disk, and one process after the other with a store on it: for tests of handlers that go on after a restart or a crash.
 */
export class Machine {
  readonly clock = new ManualClock();
  readonly logger = new RecordingLogger();
  /** The names of the handlers that failed, as the metrics collector was told. */
  readonly failures: string[] = [];
  readonly gaps: string[] = [];
  /** Every checkpoint that reached the disk. */
  readonly checkpoints: Checkpoint[] = [];
  /** Stands between store and disk: a test may put something in its way. */
  around: Around = (_verb, ask) => ask();

  store!: EventStore;
  deadLetters!: DeadLetterStore;

  readonly #disk = memoryEngine();
  #consumers: EventConsumer[] = [];
  #process: { isAlive: boolean; readonly timers: Set<() => void> } = { isAlive: false, timers: new Set() };

  /** Starts a machine with its first process. */
  static async start(options: EventStoreOptions = {}): Promise<Machine> {
    const machine = new Machine();
    machines.push(machine);
    await machine.boot(options);
    return machine;
  }

  /** Starts a process. */
  async boot(options: EventStoreOptions = {}): Promise<void> {
    const process = { isAlive: true, timers: new Set<() => void>() };
    this.#process = process;
    this.store = await openEventStore({
      engine: this.#engineOf(process),
      clock: this.#clockOf(process),
      logger: this.logger,
      metricsCollector: {
        onHandlerFailure: ({ handler }) => void this.failures.push(handler),
        onSubscriptionGap: ({ subscription }) => void this.gaps.push(subscription),
      },
      snapshotInterval: 0,
      ...options,
    });
    this.deadLetters = new DeadLetterStore(this.store);
  }

  /** Makes a consumer and lets it begin. */
  async run(parts: HandlerParts): Promise<EventConsumer> {
    const consumer = this.consumer(parts);
    await consumer.open();
    consumer.start();
    return consumer;
  }

  /** Makes a consumer. */
  consumer({ target = { all: true }, from = START, handle, ...options }: HandlerParts): EventConsumer {
    const process = this.#process;
    const { store, deadLetters } = this;
    const consumer = new EventConsumer({
      name: options.durable ?? 'Live.handler',
      store,
      target,
      from,
      options: checkConsumerOptions(options),
      deadLetters,
      handle: (event, context) => (process.isAlive ? handle(event, context) : forever()),
    });
    this.#consumers.push(consumer);
    return consumer;
  }

  /** Appends events one by one: `a1` goes to stream `a`, and its data is its name. */
  async append(...names: string[]): Promise<void> {
    for (const name of names) await this.store.append(streamOf(name), { type: 'named', data: name });
  }

  /** What the dead letters of a handler are about. */
  async deadEvents(subscription?: string): Promise<unknown[]> {
    return (await lettersIn(this.deadLetters, subscription)).map(({ event }) => event.data);
  }

  async deadLetterOf(name: string): Promise<DeadLetter> {
    const letter = (await lettersIn(this.deadLetters)).find(({ event }) => event.data === name);
    if (!letter) throw new Error(`there is no dead letter of ${name}`);
    return letter;
  }

  /** Ends the process as an application does. */
  async shutDown(): Promise<void> {
    await Promise.all(this.#consumers.splice(0).map((consumer) => consumer.stop()));
    await this.store.close();
    this.#process.isAlive = false;
  }

  /** Ends the process without a word: whatever it was at stays as it is. */
  async crash(): Promise<void> {
    this.#process.isAlive = false;
    for (const cancel of this.#process.timers) cancel();
    this.#consumers = [];
    await this.#disk.close();
  }

  /** Ends the process, if there is one, and checks that it leaves nothing behind. */
  async leave(): Promise<void> {
    if (!this.#process.isAlive) return;
    this.around = (_verb, ask) => ask();
    await this.shutDown();
    if (this.clock.pendingTimers > 0) throw new Error(`${this.clock.pendingTimers} timers are left`);
  }

  #engineOf(process: { isAlive: boolean }): StorageEngine {
    return aroundEngine((verb, ask, request) => {
      if (!process.isAlive) return forever();
      return this.around(verb, ask, request);
    }, this.#recordingDisk());
  }

  #recordingDisk(): StorageEngine {
    const disk = this.#disk;
    return {
      ...aroundEngine((_verb, ask) => ask(), disk),
      saveCheckpoint: (name, checkpoint) => {
        // As a disk does: it keeps no object of the process.
        const kept = JSON.parse(JSON.stringify(checkpoint)) as Checkpoint;
        this.checkpoints.push(kept);
        return disk.saveCheckpoint(name, kept);
      },
    };
  }

  #clockOf(process: { isAlive: boolean; readonly timers: Set<() => void> }): Clock {
    const { clock } = this;
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      random: () => clock.random(),
      setTimer: (callback, delayMs) => {
        if (!process.isAlive) return () => undefined;
        const cancel = clock.setTimer(callback, delayMs);
        process.timers.add(cancel);
        return cancel;
      },
    };
  }
}

/** The letters that a name begins with. */
export function streamOf(name: string): string {
  return /^[^\d]+/.exec(name)![0];
}

function forever(): Promise<never> {
  return new Promise(() => undefined);
}
