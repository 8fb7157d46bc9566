/** What one call costs in nanoseconds, when `count` of them are awaited one after the other. */
export async function costPerCall(count, call) {
  const begin = performance.now();
  for (let index = 0; index < count; index++) await call(index);
  return ((performance.now() - begin) * 1e6) / count;
}

/**
 * What one call of each costs in nanoseconds, measured in turns A B A B …, so that no one of them has the quieter half.
 *
 * @param calls by the name of their measurement
 */
export async function costPerCallInTurns(turns, countPerTurn, calls) {
  const costs = Object.fromEntries(Object.keys(calls).map((name) => [name, []]));
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, call] of Object.entries(calls)) costs[name].push(await costPerCall(countPerTurn, call));
  }
  return Object.fromEntries(Object.entries(costs).map(([name, values]) => [name, median(values)]));
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value that `percent` of the values do not exceed. */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1];
}

/** Chance that repeats: numbers from 0 to 1 that are the same in every run (mulberry32, Tommy Ettinger). */
export function seededRandom(seed = 1) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Shuffles in place (R. Durstenfeld, 1964). */
export function shuffle(values, random) {
  for (let index = values.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [values[index], values[other]] = [values[other], values[index]];
  }
  return values;
}
