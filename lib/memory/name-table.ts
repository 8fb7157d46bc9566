/** Gives each name a small number, in the order they come. */
export class NameTable {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];

  /** The names by their numbers. */
  get names(): readonly string[] {
    return this.#names;
  }

  numberOf(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#names.push(name) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }

  nameOf(number: number): string {
    return this.#names[number];
  }

  /** What the table takes of the memory, by estimate. */
  get bytes(): number {
    return this.#names.length * 120;
  }
}
