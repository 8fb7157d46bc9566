import { Inject, Injectable } from '@nestjs/common';
import { inOwnContext } from '../store/services/async-context.js';
import type { StoreRunner } from '../store/services/emptying.js';
import { ValidationError } from '../store/values/errors.js';
import { DeadLetterStore } from '../consumer/dead-letters/dead-letter-store.js';
import type { Consumer, ConsumerStatus } from '../consumer/consumer.js';
import { createConsumer, forgetConsumer } from '../consumer/create-consumer.js';
import type { EventStore } from '../store/event-store.js';
import { internalsOf } from '../store/store-internals.js';
import { liveStart } from './live-start.js';
import { EventStoreRegistry } from './event-store.registry.js';
import { misuse, type StreamEventHandler } from './stream-event.explorer.js';

/** How a handler is doing. */
export interface StreamSubscriptionStatus extends ConsumerStatus {
  /** The durable name, or else the class and the method. */
  readonly name: string;
  /** The name of its store. */
  readonly store: string;
  readonly isDurable: boolean;
}

interface RunningHandler {
  readonly store: EventStore;
  readonly isDurable: boolean;
  readonly consumer: Consumer;
}

/** The subscriptions of all handlers in the application. */
@Injectable()
export class StreamSubscriptions {
  readonly #handlers = new Map<string, RunningHandler>();
  readonly #deadLetters = new Map<EventStore, DeadLetterStore>();
  readonly #runners = new Map<EventStore, StoreRunner>();
  #isStarted = false;
  #makeReady!: () => void;
  readonly #isReady = new Promise<void>((resolve) => (this.#makeReady = resolve));

  constructor(@Inject(EventStoreRegistry) private readonly registry: EventStoreRegistry) {}

  /** How every handler is doing, in the order they were found. */
  list(): Promise<StreamSubscriptionStatus[]> {
    return Promise.all([...this.#handlers].map(([name, handler]) => statusOf(name, handler)));
  }

  /** @internal How the handlers of one store are doing. */
  listOf(store: EventStore): Promise<StreamSubscriptionStatus[]> {
    const handlers = [...this.#handlers].filter(([, handler]) => handler.store === store);
    return Promise.all(handlers.map(([name, handler]) => statusOf(name, handler)));
  }

  /**
   * Lets a handler rest: it gets no further event until it is resumed. Resolves when the attempts that run have ended; so
   * a handler that pauses itself must not wait for it.
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
    const consumer = this.consumer(name);
    return inOwnContext(() => consumer.resume());
  }

  /** Resolves when every handler has its place in the log and is being called. */
  ready(): Promise<void> {
    return this.#isReady;
  }

  /**
   * Resolves when all handlers have handled every event appended before this call; for tests, above all.
   *
   * @throws {HandlerStoppedError} when one of them is paused or has stopped
   */
  async whenSettled(): Promise<void> {
    await this.ready();
    await Promise.all(this.#consumers.map((consumer) => consumer.settled()));
  }

  /**
   * Removes the checkpoint of a durable handler that the application has no more, in all of its stores: retention does not
   * wait for it any longer, and a handler of this name begins anew. Its dead letters stay.
   *
   * @returns whether there was one
   * @throws {ValidationError} when the application, or another one on the same log, runs a handler of this name
   */
  async forget(name: string): Promise<boolean> {
    if (this.#handlers.has(name)) {
      throw new ValidationError(
        'name',
        `"${name}" is a handler of this application: take it out before you forget it.`,
      );
    }
    const removals = this.registry.all().map((store) => forgetConsumer(store, name));
    return (await Promise.all(removals)).includes(true);
  }

  get #consumers(): Consumer[] {
    return [...this.#handlers.values()].map(({ consumer }) => consumer);
  }

  /** @internal @param store which the handler has to read */
  consumer(name: string, store?: EventStore): Consumer {
    const handler = this.#handlers.get(name);
    if (handler && store && handler.store !== store) {
      const reads = `handler "${name}" reads store "${handler.store.name}" now, and its dead letter lies in "${store.name}"`;
      throw new ValidationError('name', `${reads}: let it read that one again, or give it another durable name.`);
    }
    if (handler) return handler.consumer;
    const names = [...this.#handlers.keys()].join(', ');
    throw new ValidationError('name', `there is no handler "${name}": there are ${names || 'none'}.`);
  }

  /** @internal The dead letters of one store. */
  deadLettersOf(store: EventStore): DeadLetterStore {
    let box = this.#deadLetters.get(store);
    if (!box) this.#deadLetters.set(store, (box = new DeadLetterStore(store)));
    return box;
  }

  /** @internal Gives every handler its place in the log. */
  async open(handlers: readonly StreamEventHandler[]): Promise<void> {
    await this.#open(handlers);
    for (const store of new Set(handlers.map((handler) => handler.store))) {
      const runner = this.#runnerOf(store, handlers);
      this.#runners.set(store, runner);
      internalsOf(store).runners.add(runner);
    }
  }

  async #open(handlers: readonly StreamEventHandler[]): Promise<void> {
    for (const { from, ...handler } of handlers) {
      const { name, store, target, options } = handler;
      const deadLetters = this.deadLettersOf(store);
      const start = from ?? (await liveStart(store, target));
      const consumer = createConsumer({ ...handler, from: start, deadLetters });
      this.#handlers.set(name, { store, isDurable: options.durable !== undefined, consumer });
    }
    await inOwnContext(() => Promise.all(handlers.map((handler) => this.#openOne(handler))));
  }

  async #openOne({ name, place }: StreamEventHandler): Promise<void> {
    try {
      await this.consumer(name).open();
    } catch (error) {
      if (error instanceof ValidationError) throw misuse(place, error.message, error);
      throw error;
    }
  }

  /** Ends the handlers of a store while it is emptied; then others take their places. */
  #runnerOf(store: EventStore, all: readonly StreamEventHandler[]): StoreRunner {
    const handlers = all.filter((handler) => handler.store === store);
    const consumers = (): Consumer[] => handlers.map(({ name }) => this.consumer(name));
    return {
      end: async () => {
        await Promise.all(consumers().map((consumer) => consumer.stop()));
      },
      begin: async () => {
        // It remembers letters that may be gone.
        this.#deadLetters.delete(store);
        await this.#open(handlers);
        if (this.#isStarted) for (const consumer of consumers()) inOwnContext(() => consumer.start());
      },
    };
  }

  /** @internal Begins to call the handlers. */
  start(): void {
    this.#isStarted = true;
    for (const consumer of this.#consumers) inOwnContext(() => consumer.start());
    this.#makeReady();
  }

  /** @internal Ends all handlers: they may finish what they have begun, for as long as their stores allow. */
  async stop(): Promise<void> {
    for (const [store, runner] of this.#runners) internalsOf(store).runners.delete(runner);
    const ends = [...this.#handlers].map(([name, { store, consumer }]) =>
      internalsOf(store).ending.orGiveUp(`handler ${name}`, consumer.stop()),
    );
    await Promise.all(ends);
  }
}

async function statusOf(
  name: string,
  { store, isDurable, consumer }: RunningHandler,
): Promise<StreamSubscriptionStatus> {
  return { name, store: store.name, isDurable, ...(await consumer.status()) };
}
