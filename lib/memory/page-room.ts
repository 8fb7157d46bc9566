/** How much text a page of events takes. Its first event finds room whatever its size. */
export class PageRoom {
  /** Whether an event came that found no room. */
  isFull = false;
  #left: number;
  #isEmpty = true;

  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  /** Whether an event finds room; then it is in. */
  takes(bytes: number): boolean {
    if (bytes > this.#left && !this.#isEmpty) {
      this.isFull = true;
      return false;
    }
    this.#left -= bytes;
    this.#isEmpty = false;
    return true;
  }

  /** How many of `count` events find room, one after the other; then they are in. @param bytesOf of each, from 0 */
  takesOf(count: number, bytesOf: (index: number) => number): number {
    let taken = 0;
    while (taken < count && this.takes(bytesOf(taken))) taken++;
    return taken;
  }
}
