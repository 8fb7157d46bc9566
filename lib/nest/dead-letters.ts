import { Inject, Injectable } from '@nestjs/common';
import type { Consumer } from '../consumer/consumer.js';
import { DeadLetterClaims } from '../consumer/dead-letters/dead-letter-claims.js';
import {
  checkDeadLetterFilter,
  checkDeadLetterQuery,
  compareOrder,
  type CheckedDeadLetterFilter,
  type DeadLetterFilter,
  type DeadLetterQuery,
} from '../consumer/dead-letters/dead-letter-query.js';
import type { DeadLetterEntry } from '../consumer/dead-letters/dead-letter-index.js';
import { readDeadLetterPage, type DeadLetterPage } from '../consumer/dead-letters/dead-letter-page.js';
import type { DeadLetter } from '../consumer/dead-letters/dead-letter-store.js';
import { DeadLetterNotFoundError, HandlerFailedError, OperationAbortedError } from '../store/values/errors.js';
import type { EventStore } from '../store/event-store.js';
import { EventStoreRegistry } from './event-store.registry.js';
import { StreamSubscriptions } from './stream-subscriptions.js';

/** How many of the dead letters that were meant were handled so far. */
export interface BulkProgress {
  /** How many there were at the start. */
  readonly total: number;
  /** How many were retried with success, or discarded. */
  readonly done: number;
  /** How many failed again. They stay, with the new error. */
  readonly failed: number;
  /** How many were left: somebody else had handled them meanwhile, or one before them in their parked stream had failed. */
  readonly skipped: number;
}

export interface BulkOptions {
  /** Ends it after the letter that is at work. */
  readonly signal?: AbortSignal;
  /** Told after each letter. What it throws ends the call. */
  readonly onProgress?: (progress: BulkProgress) => void;
}

/** What has become of the dead letters that were meant. */
export interface RetriedDeadLetters {
  /** How many their handlers have handled. */
  readonly handled: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface DiscardedDeadLetters {
  readonly discarded: number;
  readonly skipped: number;
}

/** @internal Part of all letters. */
export interface DeadLetterScope {
  readonly stores: readonly EventStore[];
  readonly filter: CheckedDeadLetterFilter;
}

/** The events that durable handlers could not handle, in all stores of the application. */
@Injectable()
export class DeadLetters {
  readonly #claims = new WeakMap<EventStore, DeadLetterClaims>();

  constructor(
    @Inject(EventStoreRegistry) private readonly registry: EventStoreRegistry,
    @Inject(StreamSubscriptions) private readonly subscriptions: StreamSubscriptions,
  ) {}

  /**
   * The oldest that match, at most 100 if no other limit is given. To get all of them, take `page`.
   *
   * @throws {ValidationError}
   */
  async list(query: DeadLetterQuery = {}): Promise<DeadLetter[]> {
    return [...(await this.page(query)).deadLetters];
  }

  /**
   * A page of those that match, the oldest first. It may have fewer than the limit says and `next` all the same: their events
   * take at most 8 MiB. Whoever goes on from page to page gets each letter once, also when others come and go meanwhile.
   *
   * @throws {ValidationError}
   */
  async page(query: DeadLetterQuery = {}): Promise<DeadLetterPage> {
    const stores = this.registry.all().map((store) => this.subscriptions.deadLettersOf(store));
    return readDeadLetterPage(stores, checkDeadLetterQuery(query));
  }

  /** How many match. Reads none of them. @throws {ValidationError} */
  async count(filter: DeadLetterFilter = {}): Promise<number> {
    const checked = checkDeadLetterFilter(filter);
    let count = 0;
    for (const store of this.registry.all()) {
      count += (await this.subscriptions.deadLettersOf(store).entries(checked)).length;
    }
    return count;
  }

  /** How many there are of each durable handler that has any; also of handlers that are no more. Reads none of them. */
  async countByHandler(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const store of this.registry.all()) {
      for (const [name, count] of await this.subscriptions.deadLettersOf(store).counts()) {
        counts.set(name, (counts.get(name) ?? 0) + count);
      }
    }
    return counts;
  }

  /**
   * Hands the event to its handler once more. When that works, the dead letter is gone; and if the events of its stream
   * waited behind it, they are handled in order before this resolves.
   *
   * @throws {HandlerFailedError} when the handler fails again; the dead letter stays
   * @throws {DeadLetterNotFoundError}
   * @throws {ValidationError} when the application has no such handler any more
   */
  async retry(id: string): Promise<void> {
    await this.#deal(id, this.registry.all(), (consumer, letter) => consumer.retry(letter));
  }

  /**
   * Gives the event up. If the events of its stream waited behind it, they are handled in order before this resolves.
   *
   * @throws {DeadLetterNotFoundError}
   * @throws {ValidationError} when the application has no such handler any more
   */
  async discard(id: string): Promise<void> {
    await this.#deal(id, this.registry.all(), (consumer, letter) => consumer.discard(letter));
  }

  /**
   * Retries all that match now, one after the other, the oldest first; those that are dead-lettered meanwhile are not among them.
   * One that fails again stays, and the next one has its turn. Before anything is tried, all that match have to have their
   * handler in this application.
   *
   * @throws {ValidationError} when the application has no such handler any more: give the `subscription` of one that it has
   * @throws {OperationAbortedError} when the signal aborts; what was handled until then is
   * @throws {HandlerStoppedError} when the application ends; and what the store fails with
   */
  async retryAll(filter: DeadLetterFilter = {}, options: BulkOptions = {}): Promise<RetriedDeadLetters> {
    const scope = { stores: this.registry.all(), filter: checkDeadLetterFilter(filter) };
    const { done: handled, failed, skipped } = await this.dealWithAll('retry', scope, options);
    return { handled, failed, skipped };
  }

  /**
   * Discards all that match now, as `retryAll` retries them.
   *
   * @throws {ValidationError | OperationAbortedError} as `retryAll`
   */
  async discardAll(filter: DeadLetterFilter = {}, options: BulkOptions = {}): Promise<DiscardedDeadLetters> {
    const scope = { stores: this.registry.all(), filter: checkDeadLetterFilter(filter) };
    const { done: discarded, skipped } = await this.dealWithAll('discard', scope, options);
    return { discarded, skipped };
  }

  /** @internal Retries or discards all that are in the scope now. */
  async dealWithAll(
    act: 'retry' | 'discard',
    { stores, filter }: DeadLetterScope,
    { signal, onProgress }: BulkOptions,
  ): Promise<BulkProgress> {
    const operation = `${act}All`;
    if (signal?.aborted) throw new OperationAbortedError(operation, signal.reason);
    const meant = (
      await Promise.all(
        stores.map(async (store) => {
          const entries = await this.subscriptions.deadLettersOf(store).entries(filter);
          return entries.map((entry) => ({ store, entry }));
        }),
      )
    ).flat();
    meant.sort((a, b) => compareOrder(a.entry, b.entry));
    for (const { store, entry } of meant) this.subscriptions.consumer(entry.subscription, store);
    let progress: BulkProgress = { total: meant.length, done: 0, failed: 0, skipped: 0 };
    /** The parked streams that a letter keeps waiting which has failed again. */
    const stuck = new Set<string>();
    for (const { store, entry } of meant) {
      if (signal?.aborted) throw new OperationAbortedError(operation, signal.reason);
      const stream = JSON.stringify([entry.subscription, entry.streamId]);
      const outcome = stuck.has(stream) ? 'skipped' : await this.#outcomeOf(act, store, entry);
      if (outcome === 'failed' && entry.isParked) stuck.add(stream);
      progress = { ...progress, [outcome]: progress[outcome] + 1 };
      onProgress?.(progress);
    }
    return progress;
  }

  async #outcomeOf(
    act: 'retry' | 'discard',
    store: EventStore,
    entry: DeadLetterEntry,
  ): Promise<'done' | 'failed' | 'skipped'> {
    try {
      await this.#deal(entry.id, [store], (consumer, letter) => consumer[act](letter), entry);
      return 'done';
    } catch (error) {
      if (error instanceof HandlerFailedError) return 'failed';
      if (error instanceof DeadLetterNotFoundError) return 'skipped';
      throw error;
    }
  }

  /** @param meant what is remembered of it; one that was retried or dead-lettered anew since counts as not found */
  async #deal(
    id: string,
    stores: readonly EventStore[],
    act: (consumer: Consumer, letter: DeadLetter) => Promise<void>,
    meant?: DeadLetterEntry,
  ): Promise<void> {
    for (const store of stores) {
      const letters = this.subscriptions.deadLettersOf(store);
      if (!meant && !(await letters.find(id))) continue;
      return this.#claimsOf(store).hold(id, async () => {
        // Whoever had it before may have handled it.
        const entry = await letters.find(id);
        const isMeant = !meant || (entry?.position === meant.position && entry.errorPosition === meant.errorPosition);
        const letter = entry && isMeant ? (await letters.load([entry])).get(entry) : undefined;
        if (!letter) throw new DeadLetterNotFoundError(id);
        await act(this.subscriptions.consumer(letter.subscription, store), letter);
      });
    }
    throw new DeadLetterNotFoundError(id);
  }

  #claimsOf(store: EventStore): DeadLetterClaims {
    let claims = this.#claims.get(store);
    if (!claims) this.#claims.set(store, (claims = new DeadLetterClaims(store)));
    return claims;
  }
}
