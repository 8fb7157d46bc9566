import type { TimePlace } from '../store/ports/storage-engine.js';
import type { Chunk } from './chunk.js';
import type { EventLog } from './event-log.js';

// Each chunk knows the earliest and the latest time in it and whether its times rise, so a range looks at few chunks and
// finds its ends by binary search. Chunks whose times do not rise keep their places sorted by time: 10 bytes an event, made
// when a range first needs it. A merge over the chunks then gives the order of time, whatever the order of arrival.

/** Events of one chunk that follow each other in the order of time. */
export interface Stretch {
  readonly chunk: Chunk;
  /** Which place comes at which turn; undefined where the turns are the places. */
  readonly places: Uint16Array | undefined;
  /** The first turn. */
  readonly begin: number;
  /** The turn after the last one. */
  readonly end: number;
}

/** The part of a chunk that lies in a range. */
interface Run {
  readonly chunk: Chunk;
  readonly places: Uint16Array | undefined;
  /** The time at each turn. */
  readonly times: Float64Array;
  next: number;
  readonly end: number;
}

/**
 * Visits the events from `from` to `to` (both inclusive) that come after the place `after`, in the order of time.
 *
 * @param visit takes the next events; false ends the walk
 * @returns whether the walk came to the end
 */
export function walkTimeRange(
  log: EventLog,
  from: number,
  to: number,
  after: TimePlace | undefined,
  visit: (stretch: Stretch) => boolean,
): boolean {
  const heap = new RunHeap();
  const begin = after && after.timestamp >= from ? after : { timestamp: from, globalPosition: 0 };
  for (const chunk of log.chunksBetween(begin.timestamp, to)) {
    const run = runOf(chunk, begin, to);
    if (run.next < run.end) heap.push(run);
  }
  for (let run = heap.first; run; run = heap.first) {
    const { chunk, places, next } = run;
    const end = endOfStretch(run, heap.second);
    if (!visit({ chunk, places, begin: next, end })) return false;
    run.next = end;
    heap.settleFirst();
  }
  return true;
}

function runOf(chunk: Chunk, begin: TimePlace, to: number): Run {
  const order = chunk.timeOrder();
  const run = { chunk, places: order?.places, times: order?.times ?? chunk.timestamps, next: 0, end: chunk.count };
  run.next = firstTurn(run, 0, chunk.count, (time, turn) => {
    if (time !== begin.timestamp) return time > begin.timestamp;
    return chunk.firstGlobalPosition + placeAt(run.places, turn) > begin.globalPosition;
  });
  if (chunk.latest <= to) return run;
  run.end = nearTurn(run, (time) => time > to);
  return run;
}

/** The first turn of the first run that comes after the next event of the second. */
function endOfStretch(run: Run, second: Run | undefined): number {
  if (!second) return run.end;
  const time = timeOf(second);
  const isFirstOfEquals = run.chunk.firstGlobalPosition < second.chunk.firstGlobalPosition;
  const isBeyond = isFirstOfEquals ? (at: number) => at > time : (at: number) => at >= time;
  // Mostly the whole run comes before the others.
  return isBeyond(run.times[run.end - 1]) ? nearTurn(run, isBeyond) : run.end;
}

/** `firstTurn` after the next one, where it is probably near: exponential search (J. L. Bentley, A. C. Yao, 1976). */
function nearTurn(run: Run, isBeyond: (time: number) => boolean): number {
  let step = 1;
  while (run.next + step < run.end && !isBeyond(run.times[run.next + step])) step *= 2;
  return firstTurn(run, run.next + (step >>> 1), Math.min(run.next + step, run.end), isBeyond);
}

/** The first turn from `low` up to `high` that is beyond a bound; `high` when none is. */
function firstTurn(run: Run, low: number, high: number, isBeyond: (time: number, turn: number) => boolean): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBeyond(run.times[middle], middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Which place comes at a turn. */
export function placeAt(places: Uint16Array | undefined, turn: number): number {
  return places ? places[turn] : turn;
}

/** A binary heap of runs: the one with the earliest next event comes first. */
class RunHeap {
  readonly #runs: Run[] = [];

  get first(): Run | undefined {
    return this.#runs[0];
  }

  /** The run that would be first without the first one. */
  get second(): Run | undefined {
    const [, left, right] = this.#runs;
    return right && isBefore(right, left) ? right : left;
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

function timeOf(run: Run): number {
  return run.times[run.next];
}

function isBefore(a: Run, b: Run): boolean {
  const difference = timeOf(a) - timeOf(b);
  return difference === 0 ? a.chunk.firstGlobalPosition < b.chunk.firstGlobalPosition : difference < 0;
}
