import type { Place } from '../store/values/place.js';

/** When there are more places than this, some of them are forgotten. */
const MOST_PLACES = 48;

/**
 * The places that a reader has come by, so that it can go back to the newest that still is as it was, when the log went back.
 *
 * Near the reader there are many, farther back fewer and fewer: one for each power of two. So it goes back over hardly twice
 * as much as was lost, and never has more than a hundred of them.
 */
export class PlaceMemory {
  /** Rising. */
  #places: Place[] = [];

  /** @param place of no use without an id, and when it was added already; else at a higher position than any before */
  add(place: Place): void {
    if (place.id === undefined || place.position === this.#places.at(-1)?.position) return;
    this.#places.push(place);
    if (this.#places.length > MOST_PLACES) this.#thinOut();
  }

  /** Adds what a page holds: of many events some, the more the nearer to its end. */
  addPage<Event>(events: readonly Event[], placeOf: (event: Event) => Place): void {
    for (let back = 1 << 14; back >= 1; back >>= 1) {
      if (back <= events.length) this.add(placeOf(events[events.length - back]));
    }
  }

  /** Forgets what lies behind a position. */
  cutAt(position: number): void {
    while ((this.#places.at(-1)?.position ?? 0) > position) this.#places.pop();
  }

  /** The newest place that fits, of those up to a position; undefined when none does. */
  async newest(upTo: number, fits: (place: Place) => Promise<boolean>): Promise<Place | undefined> {
    for (const place of [...this.#places].reverse()) {
      if (place.position <= upTo && (await fits(place))) return place;
    }
    return undefined;
  }

  #thinOut(): void {
    const end = this.#places.at(-1)!.position;
    let lastPower: number | undefined;
    this.#places = this.#places
      .reverse()
      .filter(({ position }) => {
        const power = Math.floor(Math.log2(end - position + 1));
        const isFirst = power !== lastPower;
        lastPower = power;
        return isFirst;
      })
      .reverse();
  }
}
