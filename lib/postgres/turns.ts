/** Lets so many at a time, and the others in the order in which they came. */
export class Turns {
  readonly #waiting: (() => void)[] = [];

  /** @param free how many; Infinity for no bound */
  constructor(private free: number) {}

  async take(): Promise<void> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  giveBack(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.free++;
  }
}
