import type { EventCatalog } from '../store/services/event-catalog.js';
import { acceptEvent } from '../store/services/event-validator.js';
import { ValidationError } from '../store/values/errors.js';
import type { NewEvent, RecordedEvent } from '../store/values/event.js';
import { noteChecked } from '../store/values/typed/checked-data.js';
import { recordedEvent } from '../store/values/recorded-event.js';
import type { RecordOptions } from './event-map.js';
import { applied, type StateFold } from './state-fold.js';

/** Where the events of a recording are to be appended, and what they get from there. */
export interface RecordingPlace {
  readonly streamId: string;
  /** The position of the last event before them. */
  readonly revision: number;
  /** What time it is, in milliseconds since 1970. */
  now(): number;
  /** The id of an event. @param index its place among those of the recording, from 0 */
  idOf(index: number): string;
  /** What all of them have in their metadata. */
  readonly metadata: RecordedEvent['metadata'] | undefined;
  /** The types that the store knows: their schemas are asked once, here. Undefined when it knows none. */
  readonly catalog?: EventCatalog | undefined;
}

/**
 * The events that one act records, and the state they lead to.
 *
 * Each event is checked and applied when it is recorded, as a reader will get it: read back from JSON, and frozen. So what
 * an act sees of the state is what everybody will see who loads it. Only its global position and the time at which the store
 * keeps it are not known yet: they are 0 and now.
 *
 * It ends with its act. What is recorded later would be lost, and is refused.
 */
export class Recording<State> {
  readonly #events: RecordedEvent[] = [];
  readonly #toAppend: NewEvent[] = [];
  #state: State;
  #isApplying = false;
  #hasEnded = false;
  #failure: { readonly cause: unknown } | undefined;

  constructor(
    private readonly fold: StateFold<State>,
    state: State,
    private readonly place: RecordingPlace,
  ) {
    this.#state = state;
  }

  /** The state after what was recorded. */
  get state(): State {
    return this.#state;
  }

  /** Checks an event, applies it, and keeps it for the append. @throws {ValidationError} and what the state fails with */
  record(type: string, data: unknown, options: RecordOptions = {}): State {
    this.#checkIsRecordable(type);
    const index = this.#events.length;
    const { metadata, timestamp = this.place.now() } = options;
    const given = {
      id: this.place.idOf(index),
      type,
      data,
      timestamp,
      metadata: { ...this.place.metadata, ...metadata },
    };
    const { catalog } = this.place;
    const accepted = acceptEvent(given, `events[${index}].`, catalog);
    if (!this.fold.knows(type) && !this.fold.ignoreUnknown) {
      throw new ValidationError(`events[${index}].type`, this.fold.unknownType(type));
    }
    const event = recordedEvent({
      ...{ id: given.id, type, data: accepted.data, metadata: accepted.metadata, timestamp: accepted.timestamp! },
      ...{ streamId: this.place.streamId, position: this.place.revision + index + 1 },
      ...{ globalPosition: 0, recordedAt: this.place.now() },
    });
    this.#apply(event);
    this.#events.push(event);
    const toAppend = { id: event.id, type, data: event.data, metadata: event.metadata, timestamp: event.timestamp };
    this.#toAppend.push(toAppend);
    const known = catalog?.find(type);
    // The append is not to ask the schema for what the schema has answered.
    if (known) noteChecked(toAppend, known.type, accepted.data);
    return this.#state;
  }

  #apply(event: RecordedEvent): void {
    this.#isApplying = true;
    try {
      this.#state = applied(this.fold, this.#state, event);
    } catch (cause) {
      // The state may be half changed: whatever the act makes of the failure, nothing of it is kept.
      this.#failure ??= { cause };
      throw cause;
    } finally {
      this.#isApplying = false;
    }
  }

  #checkIsRecordable(type: string): void {
    if (this.#hasEnded) {
      throw new ValidationError(
        'record',
        `"${type}" comes too late to be kept: record inside create() or update(), and let the act wait for all it begins.`,
      );
    }
    if (this.#isApplying) {
      throw new ValidationError(
        'record',
        `"${type}" is recorded while an event is applied: applying only changes the state.`,
      );
    }
  }

  /** Lets something record, and ends it then. @returns the events to append @throws what the work fails with */
  async during(work: () => unknown): Promise<readonly NewEvent[]> {
    try {
      await work();
    } finally {
      this.#hasEnded = true;
    }
    return this.end();
  }

  /** Ends it. @returns the events to append @throws what an event failed with when it was applied */
  end(): readonly NewEvent[] {
    this.#hasEnded = true;
    if (this.#failure) throw this.#failure.cause;
    return this.#toAppend;
  }

  /** The events as they are kept, for all that is known here. @param globalPosition that of the last of them */
  eventsUpTo(globalPosition: number): readonly RecordedEvent[] {
    const first = globalPosition - this.#events.length + 1;
    return this.#events.map((event, index) => Object.freeze({ ...event, globalPosition: first + index }));
  }
}
