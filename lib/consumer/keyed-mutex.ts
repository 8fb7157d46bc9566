/** Does things that concern the same key one after the other, and all others side by side. */
export class KeyedMutex {
  /** The latest turn of each key, as long as it lasts. */
  readonly #latest = new Map<string, Promise<void>>();

  /** Acts when those before it have ended, well or not. @throws what `act` fails with */
  async take(key: string, act: () => Promise<void>): Promise<void> {
    const before = this.#latest.get(key) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(act);
    this.#latest.set(key, turn);
    try {
      await turn;
    } finally {
      if (this.#latest.get(key) === turn) this.#latest.delete(key);
    }
  }
}
