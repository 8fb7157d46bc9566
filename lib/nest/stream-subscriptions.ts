import { Inject, Injectable } from '@nestjs/common';
import { ValidationError } from '../store/errors.js';
import { DeadLetterBox } from '../subscription/dead-letter-box.js';
import { EventConsumer, type ConsumerState } from '../subscription/event-consumer.js';
import type { EventStore } from '../store/event-store.js';
import { liveStart } from './live-start.js';
import { EventStoreRegistry } from './event-store.registry.js';
import { misuse, type StreamEventHandler } from './stream-event.explorer.js';

/** How a handler is doing. */
export interface StreamSubscriptionStatus {
  /** The durable name, or else the class and the method. */
  readonly name: string;
  /** The name of its store. */
  readonly store: string;
  readonly isDurable: boolean;
  readonly state: ConsumerState;
  /** Every event up to this position was dealt with: in the stream, or in the log when the target is not one stream. */
  readonly position: number;
  /** How many positions lie between `position` and the end. */
  readonly lag: number;
  /** How many attempts have failed since the application started. */
  readonly failures: number;
  /** What the latest failure was; undefined when there was none. */
  readonly lastError: unknown;
}

/** The subscriptions of all handlers in the application. */
@Injectable()
export class StreamSubscriptions {
  readonly #consumers = new Map<string, EventConsumer>();
  readonly #deadLetters = new Map<EventStore, DeadLetterBox>();
  #makeReady!: () => void;
  readonly #isReady = new Promise<void>((resolve) => (this.#makeReady = resolve));

  constructor(@Inject(EventStoreRegistry) private readonly registry: EventStoreRegistry) {}

  /** How every handler is doing, in the order they were found. */
  list(): Promise<StreamSubscriptionStatus[]> {
    return Promise.all([...this.#consumers.values()].map(statusOf));
  }

  /** @internal How the handlers of one store are doing. */
  listOf(store: EventStore): Promise<StreamSubscriptionStatus[]> {
    const consumers = [...this.#consumers.values()].filter(({ storeName }) => storeName === store.name);
    return Promise.all(consumers.map(statusOf));
  }

  /**
   * Lets a handler rest: it gets no further event until it is resumed. Resolves when the events it has are dealt with.
   *
   * @throws {ValidationError} when there is no handler of this name
   */
  pause(name: string): Promise<void> {
    return this.consumer(name).pause();
  }

  /**
   * Lets a handler go on where it was paused, or where it has stopped after a failure.
   *
   * @throws {ValidationError} when there is no handler of this name
   */
  resume(name: string): Promise<void> {
    return this.consumer(name).resume();
  }

  /** Resolves when every handler has its place in the log and is being called. */
  ready(): Promise<void> {
    return this.#isReady;
  }

  /**
   * Resolves when all handlers have dealt with every event appended before this call; for tests, above all.
   *
   * @throws {HandlerStoppedError} when one of them is paused or has stopped
   */
  async whenSettled(): Promise<void> {
    await this.ready();
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.settled()));
  }

  /**
   * Removes the checkpoint of a durable handler that the application has no more, in all of its stores: retention does not
   * wait for it any longer, and a handler of this name begins anew. Its dead letters stay.
   *
   * @returns whether there was one
   * @throws {ValidationError} when the application has a handler of this name
   */
  async forget(name: string): Promise<boolean> {
    if (this.#consumers.has(name)) {
      throw new ValidationError(
        'name',
        `"${name}" is a handler of this application: take it out before you forget it.`,
      );
    }
    const removals = this.registry.all().map((store) => store.removeCheckpoint(name));
    return (await Promise.all(removals)).includes(true);
  }

  /** @internal */
  consumer(name: string): EventConsumer {
    const consumer = this.#consumers.get(name);
    if (consumer) return consumer;
    const names = [...this.#consumers.keys()].join(', ');
    throw new ValidationError('name', `there is no handler "${name}": there are ${names || 'none'}.`);
  }

  /** @internal The dead letters of one store. */
  deadLettersOf(store: EventStore): DeadLetterBox {
    let box = this.#deadLetters.get(store);
    if (!box) this.#deadLetters.set(store, (box = new DeadLetterBox(store)));
    return box;
  }

  /** @internal Gives every handler its place in the log. */
  async open(handlers: readonly StreamEventHandler[]): Promise<void> {
    for (const { from, ...handler } of handlers) {
      const { name, store, target } = handler;
      const deadLetters = this.deadLettersOf(store);
      const start = from ?? (await liveStart(store, target));
      this.#consumers.set(name, new EventConsumer({ ...handler, from: start, deadLetters }));
    }
    await Promise.all(handlers.map((handler) => this.#openOne(handler)));
  }

  async #openOne({ name, place }: StreamEventHandler): Promise<void> {
    try {
      await this.consumer(name).open();
    } catch (error) {
      if (error instanceof ValidationError) throw misuse(place, error.message, error);
      throw error;
    }
  }

  /** @internal Begins to call the handlers. */
  start(): void {
    for (const consumer of this.#consumers.values()) consumer.start();
    this.#makeReady();
  }

  /** @internal Ends all handlers: they may finish what they have begun, for as long as their stores allow. */
  async stop(): Promise<void> {
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.stop()));
  }
}

async function statusOf(consumer: EventConsumer): Promise<StreamSubscriptionStatus> {
  const { name, storeName, isDurable, state, position, failures, lastError } = consumer;
  return { name, store: storeName, isDurable, state, position, lag: await consumer.lag(), failures, lastError };
}
