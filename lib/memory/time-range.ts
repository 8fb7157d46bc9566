import type { TimePlace } from '../store/storage-engine.js';
import type { Chunk } from './chunk.js';

// Each chunk knows the earliest and the latest time in it and whether its times rise, so a range looks at few chunks and
// finds its ends by binary search. Chunks whose times do not rise keep a sorted list of their places: 2 bytes an event,
// made when a range first needs it. A merge over the chunks then gives the order of time, whatever the order of arrival.

/** The part of a chunk that lies in a range, in the order of time. */
interface Run {
  readonly chunk: Chunk;
  readonly order: Uint16Array | undefined;
  next: number;
  readonly end: number;
}

/**
 * Visits the events from `from` to `to` (both inclusive) that come after the place `after`, in the order of time.
 *
 * @param visit takes a chunk and a place in it; false ends the walk
 * @returns whether the walk came to the end
 */
export function walkTimeRange(
  chunks: readonly Chunk[],
  from: number,
  to: number,
  after: TimePlace | undefined,
  visit: (chunk: Chunk, place: number) => boolean,
): boolean {
  const heap = new RunHeap();
  const begin = after && after.timestamp >= from ? after : { timestamp: from, globalPosition: 0 };
  for (const chunk of chunks) {
    if (chunk.count === 0 || chunk.latest < begin.timestamp || chunk.earliest > to) continue;
    const order = chunk.timeOrder();
    const next = firstPlaceAfter(chunk, order, begin);
    const end =
      chunk.latest <= to ? chunk.count : firstPlaceAfter(chunk, order, { timestamp: to, globalPosition: Infinity });
    if (next < end) heap.push({ chunk, order, next, end });
  }
  for (let run = heap.first; run; run = heap.first) {
    if (!visit(run.chunk, placeOf(run))) return false;
    run.next++;
    heap.settleFirst();
  }
  return true;
}

function placeOf(run: Run): number {
  return run.order ? run.order[run.next] : run.next;
}

/** How many places of the chunk, in the order of time, come up to and including `bound`. */
function firstPlaceAfter(chunk: Chunk, order: Uint16Array | undefined, bound: TimePlace): number {
  let low = 0;
  let high = chunk.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const place = order ? order[middle] : middle;
    const timestamp = chunk.timestamps[place];
    const isWithin =
      timestamp < bound.timestamp ||
      (timestamp === bound.timestamp && chunk.firstGlobalPosition + place <= bound.globalPosition);
    if (isWithin) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A binary heap of runs: the one with the earliest next event comes first. */
class RunHeap {
  readonly #runs: Run[] = [];

  get first(): Run | undefined {
    return this.#runs[0];
  }

  push(run: Run): void {
    const runs = this.#runs;
    let index = runs.push(run) - 1;
    while (index > 0) {
      const above = (index - 1) >>> 1;
      if (!isBefore(runs[index], runs[above])) return;
      [runs[index], runs[above]] = [runs[above], runs[index]];
      index = above;
    }
  }

  /** Restores the order after the first run has moved on; takes it out when it has come to its end. */
  settleFirst(): void {
    const runs = this.#runs;
    if (runs[0].next === runs[0].end) {
      const last = runs.pop()!;
      if (runs.length === 0) return;
      runs[0] = last;
    }
    let index = 0;
    for (;;) {
      let least = index;
      const left = 2 * index + 1;
      if (left < runs.length && isBefore(runs[left], runs[least])) least = left;
      if (left + 1 < runs.length && isBefore(runs[left + 1], runs[least])) least = left + 1;
      if (least === index) return;
      [runs[index], runs[least]] = [runs[least], runs[index]];
      index = least;
    }
  }
}

function isBefore(a: Run, b: Run): boolean {
  const difference = a.chunk.timestamps[placeOf(a)] - b.chunk.timestamps[placeOf(b)];
  return difference === 0 ? a.chunk.firstGlobalPosition < b.chunk.firstGlobalPosition : difference < 0;
}
