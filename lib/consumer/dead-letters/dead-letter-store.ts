import { messageOf, stackOf, textOf } from '../../store/error-text.js';
import { StreamNotFoundError } from '../../store/errors.js';
import type { EventStore } from '../../store/event-store.js';
import type { JsonValue, RecordedEvent } from '../../store/event.js';
import { goesOnFrom, type Place } from '../../store/place.js';
import { toJsonText } from '../../store/json-text.js';
import { END } from '../../store/cursor.js';
import type { Subscription } from '../../store/subscription.js';
import { recordedEvent, type EventRow } from '../../store/recorded-event.js';

/** An event that a durable handler could not deal with, put aside. */
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
  /** When it was put aside. */
  readonly failedAt: Date;
  /** Whether later events of its stream wait behind it. */
  readonly isParked: boolean;
}

/** What is kept of a dead letter when it is put aside. */
export type NewDeadLetter = Pick<DeadLetter, 'subscription' | 'event' | 'attempts' | 'isParked'> & {
  readonly error: unknown;
};

const STREAM_PREFIX = '$dead-letters-';
/** How many changes are read at a time: a letter holds its event. */
const CHANGES_A_PAGE = 1_000;

/**
 * The dead letters of one store, kept in streams of the store itself: one for each durable handler.
 *
 * What happened to them is what is kept: added, failed again, retried, discarded. The list is folded from that, from where
 * the last call had come, so it is the same after a restart and for every instance.
 */
export class DeadLetterStore {
  readonly #folds = new Map<string, DeadLetterFold>();

  constructor(private readonly store: EventStore) {}

  /** Puts an event aside. Doing it twice, as after a crash, keeps one. */
  async add({ subscription, event, error, attempts, isParked }: NewDeadLetter): Promise<void> {
    await this.#append(subscription, 'dead-letter.added', {
      id: `${subscription}:${event.globalPosition}`,
      event: rowOf(event),
      error: describe(error),
      attempts,
      isParked,
    });
  }

  /** Says that the handler has dealt with it after all. */
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

  /** Those of one handler, or all; the oldest first. */
  async list(subscription?: string): Promise<DeadLetter[]> {
    const names = subscription === undefined ? await this.#subscriptions() : [subscription];
    const lists = await Promise.all(names.map((name) => this.#fold(name)));
    return lists.flat().sort((a, b) => a.failedAt.getTime() - b.failedAt.getTime());
  }

  async #subscriptions(): Promise<string[]> {
    const streams = await this.store.getStreams({ prefix: STREAM_PREFIX });
    return streams.map(({ streamId }) => streamId.slice(STREAM_PREFIX.length));
  }

  async #append(subscription: string, type: string, data: JsonValue): Promise<void> {
    await this.store.appendInternally(STREAM_PREFIX + subscription, { type, data });
  }

  async #fold(subscription: string): Promise<DeadLetter[]> {
    let fold = this.#folds.get(subscription);
    const streamId = STREAM_PREFIX + subscription;
    // What was read of a log that went back is not what it holds.
    if (fold && this.store.supports.leases) {
      if (!goesOnFrom(fold.place, await this.store.look(streamId, fold.position))) fold = undefined;
    }
    if (!fold) this.#folds.set(subscription, (fold = new DeadLetterFold(subscription)));
    try {
      const { firstPosition, lastPosition } = await this.store.getStreamInfo(streamId);
      if (lastPosition > fold.position) {
        for (let isEnd = false; !isEnd;) {
          const page = await this.store.read(streamId, fold.position, CHANGES_A_PAGE);
          for (const event of page.events) fold.apply(event);
          isEnd = page.isEnd;
        }
      }
      fold.forgetBefore(firstPosition);
    } catch (error) {
      if (!(error instanceof StreamNotFoundError)) throw error;
    }
    return fold.letters();
  }
}

/** The dead letters of one handler, as far as their stream was read. */
class DeadLetterFold {
  place: Place = { position: 0 };
  readonly #letters = new Map<string, DeadLetter>();
  /** The position at which each of them was put aside. */
  readonly #addedAt = new Map<string, number>();

  constructor(private readonly subscription: string) {}

  get position(): number {
    return this.place.position;
  }

  letters(): DeadLetter[] {
    return [...this.#letters.values()];
  }

  /** Retention removes dead letters as it removes other events. */
  forgetBefore(firstPosition: number): void {
    for (const [id, position] of this.#addedAt) {
      if (position >= firstPosition) continue;
      this.#letters.delete(id);
      this.#addedAt.delete(id);
    }
  }

  apply(change: RecordedEvent): void {
    // Two calls may have read the same part of the stream.
    if (change.position <= this.position) return;
    this.place = { position: change.position, id: change.id };
    const data = change.data as unknown as { id: string; error: DeadLetter['error'] };
    const known = this.#letters.get(data.id);
    switch (change.type) {
      case 'dead-letter.added':
        this.#letters.set(data.id, this.#read(change));
        this.#addedAt.set(data.id, change.position);
        break;
      case 'dead-letter.failed-again':
        if (known) this.#letters.set(data.id, { ...known, error: data.error, attempts: known.attempts + 1 });
        break;
      default:
        this.#letters.delete(data.id);
        this.#addedAt.delete(data.id);
    }
  }

  #read(change: RecordedEvent): DeadLetter {
    const { id, event, error, attempts, isParked } = change.data as unknown as Omit<DeadLetter, 'event'> & {
      event: EventRow;
    };
    return {
      id,
      subscription: this.subscription,
      event: recordedEvent(event),
      error,
      attempts,
      failedAt: change.recordedAt,
      isParked,
    };
  }
}

/** Data and metadata become texts: an event may nest as deep as an event can, so no event can hold it as it is. */
function rowOf(event: RecordedEvent): EventRow & JsonValue {
  return {
    ...event,
    data: toJsonText(event.data, 'data'),
    metadata: toJsonText(event.metadata, 'metadata'),
    timestamp: event.timestamp.getTime(),
    recordedAt: event.recordedAt.getTime(),
  };
}

/** What can be kept of whatever a handler threw; text that is no well-formed Unicode is mended. */
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
