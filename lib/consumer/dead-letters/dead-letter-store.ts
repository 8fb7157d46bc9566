import { messageOf, stackOf, textOf } from '../../store/values/error-text.js';
import { StreamNotFoundError } from '../../store/values/errors.js';
import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import type { JsonValue, RecordedEvent } from '../../store/values/event.js';
import { withSchemaVersion } from '../../store/values/schema-version.js';
import { asWritten } from '../../store/values/typed/upcast-failure.js';
import { goesOnFrom } from '../../store/values/place.js';
import { toJsonText } from '../../store/values/json-text.js';
import { END } from '../../store/values/cursor.js';
import type { Subscription } from '../../store/ports/subscription.js';
import { recordedEvent, type EventRow } from '../../store/values/recorded-event.js';
import { KeyedMutex } from '../keyed-mutex.js';
import { DeadLetterIndex, type DeadLetterChange, type DeadLetterEntry } from './dead-letter-index.js';
import { compareOrder, type CheckedDeadLetterFilter } from './dead-letter-query.js';

/** An event that a durable handler could not handle, kept for a later decision. */
export interface DeadLetter {
  /** Names it for `retry` and `discard`. */
  readonly id: string;
  /** The name of the durable handler. */
  readonly subscription: string;
  /** The event, as the handler got it. */
  readonly event: RecordedEvent;
  /** What the last attempt failed with. */
  readonly error: { readonly name: string; readonly message: string; readonly stack?: string };
  /** How often the event was tried, with the retries asked for since. */
  readonly attempts: number;
  /** When it was dead-lettered. */
  readonly failedAt: Date;
  /** Whether later events of its stream wait behind it. */
  readonly isParked: boolean;
}

/** What is kept of an event when it becomes a dead letter. */
export type NewDeadLetter = Pick<DeadLetter, 'subscription' | 'event' | 'attempts' | 'isParked'> & {
  readonly error: unknown;
};

const STREAM_PREFIX = '$dead-letters-';
/** How many changes are read at a time, if they are not too large for a page. */
const CHANGES_A_PAGE = 1_000;
/** Letters that lie so close to each other are read together, with what lies between. */
const CLOSE = 8;

/**
 * The dead letters of one store, kept in streams of the store itself: one for each durable handler.
 *
 * What happened to them is what is kept: added, failed again, retried, discarded. An index is made from that, from where the
 * last call had come, so it is the same after a restart and for every instance. Their events stay in the store, and are
 * read for those that are asked for.
 */
export class DeadLetterStore {
  readonly #indexes = new Map<string, DeadLetterIndex>();
  /** Of each index: it is brought up to date once at a time. */
  readonly #turns = new KeyedMutex();

  constructor(private readonly store: EventStore) {}

  get storeName(): string {
    return this.store.name;
  }

  /** Keeps an event as a dead letter. Doing it twice, as after a crash, keeps one. */
  async add({ subscription, event, error, attempts, isParked }: NewDeadLetter): Promise<void> {
    await this.#append(subscription, 'dead-letter.added', {
      id: `${subscription}:${event.globalPosition}`,
      event: rowOf(event),
      error: describe(error),
      attempts,
      isParked,
    });
  }

  /** Says that the handler has handled it after all. */
  async handled({ id, subscription }: DeadLetter): Promise<void> {
    await this.#append(subscription, 'dead-letter.handled', { id });
  }

  async discarded({ id, subscription }: DeadLetter): Promise<void> {
    await this.#append(subscription, 'dead-letter.discarded', { id });
  }

  /** Says that one more attempt failed. */
  async failedAgain({ id, subscription }: DeadLetter, error: unknown): Promise<void> {
    await this.#append(subscription, 'dead-letter.failed-again', { id, error: describe(error) });
  }

  /** Gives an event whenever, from now on, a dead letter of a handler is no more because it was retried or discarded. */
  endings(subscription: string): Subscription {
    const types = ['dead-letter.handled', 'dead-letter.discarded'];
    return this.store.subscribe({ stream: STREAM_PREFIX + subscription, types }, END);
  }

  /** What is remembered of those that match, the oldest first. */
  async entries(filter: CheckedDeadLetterFilter): Promise<DeadLetterEntry[]> {
    const indexes = await this.#indexesOf(filter.subscription);
    return indexes.flatMap((index) => [...index.matching(filter)]).sort(compareOrder);
  }

  /** How many there are, by the name of the durable handler; also of handlers that are no more. */
  async counts(): Promise<Map<string, number>> {
    const indexes = await this.#indexesOf();
    return new Map(indexes.filter(({ count }) => count > 0).map(({ subscription, count }) => [subscription, count]));
  }

  /** What is remembered of one of them; undefined when there is none of this id. */
  async find(id: string): Promise<DeadLetterEntry | undefined> {
    for (const name of await this.#subscriptions()) {
      if (!id.startsWith(`${name}:`)) continue;
      const entry = (await this.#index(name)).find(id);
      if (entry) return entry;
    }
    return undefined;
  }

  /** The streams of which later events of a handler wait behind a dead letter. */
  async parkedStreams(subscription: string): Promise<Set<string>> {
    const entries = [...(await this.#index(subscription)).entries()];
    return new Set(entries.filter(({ isParked }) => isParked).map(({ streamId }) => streamId));
  }

  async #indexesOf(subscription?: string): Promise<DeadLetterIndex[]> {
    const names = await this.#subscriptions();
    const wanted = subscription === undefined ? names : names.filter((name) => name === subscription);
    const indexes: DeadLetterIndex[] = [];
    // One after the other: each may have to read a page of changes.
    for (const name of wanted) indexes.push(await this.#index(name));
    return indexes;
  }

  async #subscriptions(): Promise<string[]> {
    const streams = await this.store.getStreams({ prefix: STREAM_PREFIX });
    return streams.map(({ streamId }) => streamId.slice(STREAM_PREFIX.length));
  }

  async #append(subscription: string, type: string, data: JsonValue): Promise<void> {
    await internalsOf(this.store).appendInternally(STREAM_PREFIX + subscription, { type, data });
  }

  /** As it is now. */
  async #index(subscription: string): Promise<DeadLetterIndex> {
    await this.#turns.take(subscription, () => this.#bringUpToDate(subscription));
    return this.#indexes.get(subscription)!;
  }

  async #bringUpToDate(subscription: string): Promise<void> {
    let index = this.#indexes.get(subscription);
    const streamId = STREAM_PREFIX + subscription;
    // What was read of a log that went back is not what it holds.
    if (index && this.store.supports.leases) {
      if (!goesOnFrom(index.place, await internalsOf(this.store).look(streamId, index.position))) index = undefined;
    }
    if (!index) this.#indexes.set(subscription, (index = new DeadLetterIndex(subscription)));
    try {
      const { firstPosition, lastPosition } = await this.store.getStreamInfo(streamId);
      if (lastPosition > index.position) {
        for (let isEnd = false; !isEnd;) {
          const page = await this.store.read(streamId, index.position, CHANGES_A_PAGE);
          for (const event of page.events) index.apply(event);
          isEnd = page.isEnd;
        }
      }
      index.forgetBefore(firstPosition);
    } catch (error) {
      if (!(error instanceof StreamNotFoundError)) throw error;
    }
  }

  /** Reads letters, with their events. One that retention has removed meanwhile is left out. */
  async load(entries: readonly DeadLetterEntry[]): Promise<Map<DeadLetterEntry, DeadLetter>> {
    const positions = new Map<string, number[]>();
    for (const { subscription, position, errorPosition } of entries) {
      const known = positions.get(subscription) ?? [];
      positions.set(subscription, known);
      known.push(position, errorPosition);
    }
    const letters = new Map<DeadLetterEntry, DeadLetter>();
    for (const [subscription, wanted] of positions) {
      const changes = await this.#changesAt(STREAM_PREFIX + subscription, wanted);
      for (const entry of entries) {
        if (entry.subscription !== subscription) continue;
        const [added, failed] = [changes.get(entry.position), changes.get(entry.errorPosition)];
        if (added?.id === entry.id && failed?.id === entry.id) letters.set(entry, this.#letterOf(entry, added, failed));
      }
    }
    return letters;
  }

  async #changesAt(streamId: string, positions: readonly number[]): Promise<Map<number, DeadLetterChange>> {
    const changes = new Map<number, DeadLetterChange>();
    const wanted = [...new Set(positions)].sort((a, b) => a - b);
    for (let next = 0; next < wanted.length;) {
      let last = next;
      while (last + 1 < wanted.length && wanted[last + 1] - wanted[last] <= CLOSE) last++;
      const begin = wanted[next];
      const { events } = await this.store.read(streamId, begin - 1, wanted[last] - begin + 1);
      const sought = new Set(wanted.slice(next, last + 1));
      for (const { position, data } of events) {
        if (sought.has(position)) changes.set(position, data as unknown as DeadLetterChange);
      }
      // Those that did not fit into the page come with the next; those that are gone do not come.
      const reached = events.at(-1)?.position ?? Infinity;
      while (next <= last && wanted[next] <= reached) next++;
    }
    return changes;
  }

  #letterOf(entry: DeadLetterEntry, { event: row }: DeadLetterChange, { error }: DeadLetterChange): DeadLetter {
    const { id, subscription, attempts, failedAt, isParked } = entry;
    // It is kept as it was written, and the store may know its type better by now.
    const event = internalsOf(this.store).shape(recordedEvent(row));
    return { id, subscription, event, error, attempts, failedAt: new Date(failedAt), isParked };
  }
}

/** Data and metadata become texts: an event may nest as deep as an event can, so no event can hold it as it is. */
function rowOf(handled: RecordedEvent): EventRow & JsonValue {
  // As it was written: whoever reads the letter later may know another version.
  const { schemaVersion, ...event } = asWritten(handled);
  return {
    ...event,
    data: toJsonText(event.data, 'data'),
    metadata: withSchemaVersion(toJsonText(event.metadata, 'metadata'), schemaVersion),
    timestamp: event.timestamp.getTime(),
    recordedAt: event.recordedAt.getTime(),
  };
}

/** What can be kept of whatever a handler threw; text that is no well-formed Unicode is fixed. */
function describe(error: unknown): DeadLetter['error'] & JsonValue {
  const wellFormed = (text: unknown): string => Buffer.from(String(text)).toString();
  if (!(error instanceof Error)) return { name: 'Error', message: wellFormed(messageOf(error)) };
  const stack = stackOf(error);
  return {
    name: wellFormed(error.name),
    message: wellFormed(textOf(error)),
    ...(stack !== undefined && { stack: wellFormed(stack) }),
  };
}
