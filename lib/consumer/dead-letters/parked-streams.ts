import type { ParkedStream } from '../../store/values/checkpoint.js';
import type { RecordedEvent } from '../../store/values/event.js';

interface Parked {
  handledTo: number;
  /** Where the event at `handledTo` lies in the whole log. */
  globalPosition: number;
  skippedTo: number;
}

/**
 * The streams that wait behind a dead letter.
 *
 * Their later events are passed over and stay in the log. A release handles them in order, until it has caught up with
 * what was passed over; then the stream goes on like any other.
 */
export class ParkedStreams {
  readonly #streams = new Map<string, Parked>();

  /**
   * @param readOn gives the next events of a stream after a position, some of them; none when there are no more
   * @param deal handles one event; false when it was dead-lettered and its stream is parked once more
   * @param changed told when the list has changed
   */
  constructor(
    private readonly readOn: (streamId: string, after: number) => Promise<readonly RecordedEvent[]>,
    private readonly deal: (event: RecordedEvent) => Promise<boolean>,
    private readonly changed: () => void,
  ) {}

  /** A token of its own for each time that a stream was parked; undefined when it is not. */
  parkingOf(streamId: string): object | undefined {
    return this.#streams.get(streamId);
  }

  get isAny(): boolean {
    return this.#streams.size > 0;
  }

  list(): ParkedStream[] {
    return [...this.#streams].map(([streamId, parked]) => ({ streamId, ...parked }));
  }

  /** A place in the whole log up to which none of them has anything left to do; Infinity when no stream is parked. */
  get dealtWithTo(): number {
    let place = Infinity;
    for (const { globalPosition } of this.#streams.values()) place = Math.min(place, globalPosition);
    return place;
  }

  /** Takes over what a checkpoint says. */
  restore(streams: readonly ParkedStream[]): void {
    this.#streams.clear();
    for (const { streamId, handledTo, skippedTo, globalPosition = 0 } of streams) {
      this.#streams.set(streamId, { handledTo, skippedTo, globalPosition });
    }
  }

  park({ streamId, position, globalPosition }: RecordedEvent): void {
    const skippedTo = Math.max(position, this.#streams.get(streamId)?.skippedTo ?? 0);
    this.#streams.set(streamId, { handledTo: position, skippedTo, globalPosition });
    this.changed();
  }

  /** Whether an event is passed over, because its stream waits. */
  passesOver({ streamId, position }: RecordedEvent): boolean {
    const parked = this.#streams.get(streamId);
    if (!parked) return false;
    parked.skippedTo = Math.max(parked.skippedTo, position);
    return true;
  }

  /** Notes that an event was handled that had been passed over. @returns undoes it; undefined when it was not */
  dealtWith({ streamId, position, globalPosition }: RecordedEvent): (() => void) | undefined {
    const parked = this.#streams.get(streamId);
    if (!parked || position > parked.skippedTo) return undefined;
    const { handledTo, globalPosition: place } = parked;
    Object.assign(parked, { handledTo: position, globalPosition });
    return () => void Object.assign(parked, { handledTo, globalPosition: place });
  }

  /** Handles what was passed over; the stream waits no more unless one of its events is dead-lettered again. */
  async release(streamId: string): Promise<void> {
    for (;;) {
      const parked = this.#streams.get(streamId);
      if (!parked) return;
      if (parked.handledTo >= parked.skippedTo) break;
      const events = await this.readOn(streamId, parked.handledTo);
      const passedOver = events.filter(({ position }) => position <= parked.skippedTo);
      // Nothing is left when the rest is of other types, or when retention has removed it.
      if (passedOver.length === 0) parked.handledTo = parked.skippedTo;
      for (const event of passedOver) {
        if (!(await this.deal(event))) return;
        this.dealtWith(event);
        this.changed();
      }
    }
    this.#streams.delete(streamId);
    this.changed();
  }
}
