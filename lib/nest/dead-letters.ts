import { Inject, Injectable } from '@nestjs/common';
import { DeadLetterNotFoundError } from '../store/errors.js';
import type { Consumer } from '../consumer/consumer.js';
import type { DeadLetter, DeadLetterStore } from '../consumer/dead-letters/dead-letter-store.js';
import { KeyedMutex } from '../consumer/keyed-mutex.js';
import { EventStoreRegistry } from './event-store.registry.js';
import { StreamSubscriptions } from './stream-subscriptions.js';

/** The events that durable handlers could not deal with, in all stores of the application. */
@Injectable()
export class DeadLetters {
  /** Of each letter: what the first call has dealt with is not there any more for the second. */
  readonly #turns = new KeyedMutex();

  constructor(
    @Inject(EventStoreRegistry) private readonly registry: EventStoreRegistry,
    @Inject(StreamSubscriptions) private readonly subscriptions: StreamSubscriptions,
  ) {}

  /** The oldest first. @param subscription only those of the durable handler of this name */
  async list({ subscription }: { readonly subscription?: string } = {}): Promise<DeadLetter[]> {
    const lists = await Promise.all(this.#boxes().map((box) => box.list(subscription)));
    return lists.flat().sort((a, b) => a.failedAt.getTime() - b.failedAt.getTime());
  }

  async count(query: { readonly subscription?: string } = {}): Promise<number> {
    return (await this.list(query)).length;
  }

  /**
   * Hands the event to its handler once more. When that works, the dead letter is gone; and if the events of its stream
   * waited behind it, they are dealt with in order before this resolves.
   *
   * @throws {HandlerFailedError} when the handler fails again; the dead letter stays
   * @throws {DeadLetterNotFoundError}
   * @throws {ValidationError} when the application has no such handler any more
   */
  async retry(id: string): Promise<void> {
    await this.#turns.take(id, async () => {
      const { letter, consumer } = await this.#get(id);
      await consumer.retry(letter);
    });
  }

  /**
   * Gives the event up. If the events of its stream waited behind it, they are dealt with in order before this resolves.
   *
   * @throws {DeadLetterNotFoundError}
   * @throws {ValidationError} when the application has no such handler any more
   */
  async discard(id: string): Promise<void> {
    await this.#turns.take(id, async () => {
      const { letter, consumer } = await this.#get(id);
      await consumer.discard(letter);
    });
  }

  #boxes(): DeadLetterStore[] {
    return this.registry.all().map((store) => this.subscriptions.deadLettersOf(store));
  }

  async #get(id: string): Promise<{ letter: DeadLetter; consumer: Consumer }> {
    for (const store of this.registry.all()) {
      const letters = await this.subscriptions.deadLettersOf(store).list();
      const letter = letters.find((candidate) => candidate.id === id);
      if (letter) return { letter, consumer: this.subscriptions.consumer(letter.subscription, store) };
    }
    throw new DeadLetterNotFoundError(id);
  }
}
