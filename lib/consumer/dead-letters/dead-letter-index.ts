import type { RecordedEvent } from '../../store/values/event.js';
import type { Place } from '../../store/values/place.js';
import type { EventRow } from '../../store/values/recorded-event.js';
import type { CheckedDeadLetterFilter, DeadLetterOrder } from './dead-letter-query.js';

/** How much of a message is kept to be searched. */
const SEARCHED_CHARACTERS = 500;

/** What is remembered of a dead letter: where it lies, and what it can be found by. Never changed, only replaced. */
export interface DeadLetterEntry extends DeadLetterOrder {
  readonly id: string;
  readonly streamId: string;
  /** Where the letter lies in the stream of dead letters. */
  readonly position: number;
  /** Where its latest error lies; the same as `position` when it was not retried. */
  readonly errorPosition: number;
  readonly attempts: number;
  readonly isParked: boolean;
  /** About how many bytes it takes to hand it out. */
  readonly bytes: number;
  /** What it can be found by, in lower case. */
  readonly error: string;
}

/** What the events of a stream of dead letters hold. */
export interface DeadLetterChange {
  readonly id: string;
  readonly event: EventRow;
  readonly error: { readonly name: string; readonly message: string; readonly stack?: string };
  readonly attempts: number;
  readonly isParked: boolean;
}

/**
 * The dead letters of one handler, as far as their stream was read, without their events: some hundred bytes each, and 500
 * characters of the message at most.
 */
export class DeadLetterIndex {
  place: Place = { position: 0 };
  readonly #entries = new Map<string, DeadLetterEntry>();
  #firstPosition = 0;

  constructor(readonly subscription: string) {}

  get position(): number {
    return this.place.position;
  }

  get count(): number {
    return this.#entries.size;
  }

  find(id: string): DeadLetterEntry | undefined {
    return this.#entries.get(id);
  }

  /** In no particular order. */
  entries(): Iterable<DeadLetterEntry> {
    return this.#entries.values();
  }

  *matching(filter: CheckedDeadLetterFilter): Iterable<DeadLetterEntry> {
    const { error, from, to, stream, isVisible } = filter;
    for (const entry of this.#entries.values()) {
      if (entry.failedAt < from || entry.failedAt >= to) continue;
      if (stream !== undefined && entry.streamId !== stream) continue;
      if (error !== undefined && !entry.error.includes(error)) continue;
      if (isVisible && !isVisible(entry.streamId)) continue;
      yield entry;
    }
  }

  /** Retention removes dead letters as it removes other events. */
  forgetBefore(firstPosition: number): void {
    if (firstPosition <= this.#firstPosition) return;
    this.#firstPosition = firstPosition;
    for (const [id, { position }] of this.#entries) if (position < firstPosition) this.#entries.delete(id);
  }

  apply(change: RecordedEvent): void {
    if (change.position <= this.position) return;
    this.place = { position: change.position, id: change.id };
    const data = change.data as unknown as DeadLetterChange;
    const known = this.#entries.get(data.id);
    switch (change.type) {
      case 'dead-letter.added':
        this.#entries.set(data.id, this.#entryOf(change, data, known?.failedAt));
        break;
      case 'dead-letter.failed-again':
        if (known) {
          const { position: errorPosition } = change;
          const { attempts } = known;
          this.#entries.set(data.id, {
            ...known,
            errorPosition,
            attempts: attempts + 1,
            error: searchedTextOf(data.error),
          });
        }
        break;
      default:
        this.#entries.delete(data.id);
    }
  }

  /** @param failedAt when it was dead-lettered before, as before a crash: it keeps its place */
  #entryOf(change: RecordedEvent, data: DeadLetterChange, failedAt = change.recordedAt.getTime()): DeadLetterEntry {
    const { position } = change;
    const { id, event, error, attempts, isParked } = data;
    return {
      ...{ id, attempts, isParked, position, errorPosition: position },
      subscription: this.subscription,
      streamId: event.streamId,
      globalPosition: event.globalPosition,
      failedAt,
      bytes: 1_000 + event.data.length + event.metadata.length + error.message.length + (error.stack?.length ?? 0),
      error: searchedTextOf(error),
    };
  }
}

function searchedTextOf({ name, message }: DeadLetterChange['error']): string {
  const text = `${name}: ${message.slice(0, SEARCHED_CHARACTERS)}`.toLowerCase();
  // A part of a string keeps all of it in memory; this is one of its own.
  return Buffer.from(text).toString();
}
