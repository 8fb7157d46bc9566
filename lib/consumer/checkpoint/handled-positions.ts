import type { Place } from '../../store/values/place.js';

/** An event that was taken from the log. */
interface Taken {
  readonly position: number;
  readonly globalPosition: number;
  isDone: boolean;
  /** How far there is nothing more for this reader behind it: its own place, or further. */
  emptyTo: Place;
}

/**
 * Which of the events taken from the log, in order, were handled, in any order.
 *
 * `position` never passes an event that is not done, so nothing is missed when reading begins again there; what was done
 * beyond it is listed in `ahead`, so that it is not done twice.
 */
export class HandledPositions {
  readonly #taken: Taken[] = [];
  #place: Place;
  #globalPosition: number;

  /**
   * @param globalPosition where the event at `position` lies in the whole log, or a place before it
   * @param id of the event at `position`, where it is known
   */
  constructor(position: number, globalPosition = position, id?: string) {
    this.#place = { position, id };
    this.#globalPosition = globalPosition;
  }

  /** Every event up to here was handled. */
  get position(): number {
    return this.#place.position;
  }

  /** The id of the event at `position`, where it is known. */
  get id(): string | undefined {
    return this.#place.id;
  }

  /** Where the last event up to `position` lies in the whole log. */
  get globalPosition(): number {
    return this.#globalPosition;
  }

  /** The positions beyond `position` that are done; rising. */
  get ahead(): number[] {
    return this.#taken.filter(({ isDone }) => isDone).map(({ position }) => position);
  }

  /** How many events lie between `position` and the last one taken: what it would cost to begin again. */
  get window(): number {
    return this.#taken.length;
  }

  /** @param position higher than any before @returns says that the event is done */
  take(position: number, globalPosition = position, id?: string): () => void {
    const taken: Taken = { position, globalPosition, isDone: false, emptyTo: { position, id } };
    this.#taken.push(taken);
    return () => {
      taken.isDone = true;
      while (this.#taken[0]?.isDone) {
        const first = this.#taken.shift()!;
        this.#place = first.emptyTo;
        this.#globalPosition = first.globalPosition;
      }
    };
  }

  /** Says that between the last event taken and a position there is nothing for this reader. @param id of the event there */
  passTo(position: number, id?: string): void {
    const last = this.#taken.at(-1);
    if (last) {
      if (position > last.emptyTo.position) last.emptyTo = { position, id };
    } else if (position > this.#place.position || (position === this.#place.position && id !== undefined)) {
      this.#place = { position, id };
    }
  }
}
