import type { Consumer, ConsumerState, ConsumerStatus, PartitionStatus } from '../consumer.js';
import type { DeadLetter } from '../dead-letters/dead-letter-store.js';
import type { ConsumerParts } from '../consumer-parts.js';
import { EventConsumer } from '../run/event-consumer.js';
import { lagOf } from '../checkpoint/stored-progress.js';
import { LeasedConsumer } from '../leases/leased-consumer.js';
import { type Partition, partitionOf, partitionsOf } from './partition.js';
import { PartitionBalancer } from './partition-balancer.js';
import { keepLayout } from './partition-layout.js';
import { internalsOf } from '../../store/store-internals.js';

/** The first of these that one of its partitions is in is the state of the handler. */
const STATES: readonly ConsumerState[] = ['halted', 'ended', 'paused', 'starting', 'catching-up', 'live', 'standby'];

/**
 * Runs a durable handler in partitions: each has some of the streams, a checkpoint and a consumer of its own, which reads
 * the log and passes over what is for the others. Where several processes share the log, each runs some of them.
 */
export class PartitionedConsumer implements Consumer {
  readonly #parts: ConsumerParts;
  readonly #partitions: readonly Partition[];
  readonly #consumers: readonly (EventConsumer | LeasedConsumer)[];
  readonly #balancer: PartitionBalancer | undefined;
  #opened: Promise<void> | undefined;
  #isPaused = false;

  constructor(parts: ConsumerParts) {
    const { name, store, options } = parts;
    this.#parts = parts;
    this.#partitions = partitionsOf(name, options.partitions);
    if (store.supports.leases) {
      const consumers = this.#partitions.map((partition) => new LeasedConsumer({ ...parts, partition }, false));
      this.#balancer = new PartitionBalancer(name, store, options.leaseDurationMs, consumers);
      this.#consumers = consumers;
    } else {
      this.#consumers = this.#partitions.map((partition) => new EventConsumer({ ...parts, partition }));
    }
  }

  open(): Promise<void> {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  async #open(): Promise<void> {
    await keepLayout(this.#parts, this.#partitions);
    try {
      if (!this.#isPaused) await this.#balancer?.join();
      await this.#each((consumer) => consumer.open());
    } catch (error) {
      await this.#balancer?.leave();
      throw error;
    }
  }

  start(): void {
    for (const consumer of this.#consumers) consumer.start();
  }

  async pause(): Promise<void> {
    this.#isPaused = true;
    await Promise.all([this.#balancer?.leave(), this.#each((consumer) => consumer.pause())]);
  }

  async resume(): Promise<void> {
    this.#isPaused = false;
    await this.open();
    await this.#balancer?.join();
    await this.#each((consumer) => consumer.resume());
  }

  async settled(): Promise<void> {
    await this.#each((consumer) => consumer.settled());
  }

  async stop(): Promise<void> {
    await this.#opened?.catch(() => undefined);
    // First of all, so that the others know that they will have more.
    await this.#balancer?.leave();
    await this.#each((consumer) => consumer.stop());
  }

  retry(letter: DeadLetter): Promise<void> {
    return this.#of(letter).retry(letter);
  }

  discard(letter: DeadLetter): Promise<void> {
    return this.#of(letter).discard(letter);
  }

  #of({ event }: DeadLetter): Consumer {
    return this.#consumers[partitionOf(event.streamId, this.#consumers.length)];
  }

  async status(): Promise<ConsumerStatus> {
    const { name, store } = this.#parts;
    const [head, leases, kept] = await Promise.all([
      store.head(),
      store.supports.leases ? internalsOf(store).listLeases(`${name}/`) : [],
      internalsOf(store).listCheckpoints(),
    ]);
    const holders = new Map(leases.map((lease) => [lease.name, lease.holder]));
    const positions = new Map(kept.map(({ name, checkpoint }) => [name, checkpoint.position]));
    const partitions = this.#partitions.map(({ name, number }): PartitionStatus => {
      const { state, position = positions.get(name) ?? 0 } = this.#consumers[number];
      return { number, state, position, lag: lagOf(position, head), holder: holders.get(name) };
    });
    // Other processes say how theirs are doing.
    const here = partitions.filter(({ number }) => this.#consumers[number].position !== undefined);
    const told = here.length > 0 ? here : partitions;
    return {
      state: STATES.find((state) => partitions.some((partition) => partition.state === state))!,
      position: Math.min(...told.map(({ position }) => position)),
      lag: Math.max(...told.map(({ lag }) => lag)),
      failures: this.#consumers.reduce((sum, { failures }) => sum + failures, 0),
      outage: this.#consumers.find(({ outage }) => outage)?.outage?.error,
      lastError: this.#consumers.find(({ lastError }) => lastError !== undefined)?.lastError,
      partitions,
    };
  }

  async #each(act: (consumer: EventConsumer | LeasedConsumer) => Promise<void>): Promise<void> {
    await Promise.all(this.#consumers.map(act));
  }
}
