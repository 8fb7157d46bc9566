/** An event that was taken from the log. */
interface Taken {
  readonly position: number;
  isDone: boolean;
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

  constructor(position: number) {
    this.#position = position;
  }

  /** Every event up to here was dealt with. */
  get position(): number {
    return this.#position;
  }

  /** How many events were taken and are not done. */
  get unfinished(): number {
    return this.#taken.reduce((count, { isDone }) => count + (isDone ? 0 : 1), 0);
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
  take(position: number): () => void {
    const taken = { position, isDone: false };
    this.#taken.push(taken);
    return () => {
      taken.isDone = true;
      while (this.#taken[0]?.isDone) this.#position = this.#taken.shift()!.position;
    };
  }

  /** Says that there is nothing for this reader up to a position. */
  passTo(position: number): void {
    if (this.#taken.length === 0) this.#position = Math.max(this.#position, position);
  }
}
