/** An event that was taken from the log. */
interface Taken {
  readonly position: number;
  readonly globalPosition: number;
  isDone: boolean;
  /** How far there is nothing more for this reader behind it: `position`, or further. */
  emptyTo: number;
}

/**
 * Which of the events taken from the log, in order, were dealt with, in any order.
 *
 * `position` never passes an event that is not done, so nothing is missed when reading begins again there; what was done
 * beyond it is listed in `ahead`, so that it is not done twice.
 */
export class Progress {
  readonly #taken: Taken[] = [];
  #position: number;
  #globalPosition: number;

  /** @param globalPosition where the event at `position` lies in the whole log, or a place before it */
  constructor(position: number, globalPosition = position) {
    this.#position = position;
    this.#globalPosition = globalPosition;
  }

  /** Every event up to here was dealt with. */
  get position(): number {
    return this.#position;
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
  take(position: number, globalPosition = position): () => void {
    const taken = { position, globalPosition, isDone: false, emptyTo: position };
    this.#taken.push(taken);
    return () => {
      taken.isDone = true;
      while (this.#taken[0]?.isDone) {
        const first = this.#taken.shift()!;
        this.#position = first.emptyTo;
        this.#globalPosition = first.globalPosition;
      }
    };
  }

  /** Says that between the last event taken and a position there is nothing for this reader. */
  passTo(position: number): void {
    const last = this.#taken.at(-1);
    if (last) last.emptyTo = Math.max(last.emptyTo, position);
    else this.#position = Math.max(this.#position, position);
  }
}
