import assert from 'node:assert/strict';
import { openOurs } from '../stores.mjs';

export const title = 'Replay';

export const about = `\
A million events over 1 000 streams, replayed by time. "All first" reads the range into an array before it hands out the first
event. Memory is the most that was held at any tenth of the way, after a collection, beyond what was held before; the engine
keeps no records here, so that what is left is the replay's own. The event loop counts as held up as long as a turn of it
takes while the replay runs.`;

const EVENTS = 1_000_000;
const STREAMS = 1_000;

export const rows = [
  {
    number: 9,
    work: 'first event of 1 000 000',
    ours: 'first event',
    against: 'all first',
    theirs: 'all first',
    goal: { atLeast: 1_000 },
  },
  {
    number: 9,
    work: 'memory, replaying 1 000 000',
    ours: 'memory of the whole',
    goal: { atMost: 1e6 },
    unit: 'bytes',
  },
  { number: 9, work: 'memory, replaying 100 000', ours: 'memory of a tenth', unit: 'bytes' },
  {
    number: 9,
    work: 'an event, by `.batches()`',
    ours: 'in batches',
    against: 'one by one',
    theirs: 'one by one',
    goal: { atLeast: 4 },
  },
  { number: 9, work: 'longest turn of the event loop', ours: 'longest turn', goal: { atMost: 5e6 } },
];

export const cases = {
  'first event': async (run) => {
    const { store } = await filled(run);
    await take(store.replay(), 1_000);
    const begin = performance.now();
    await take(store.replay(), 1);
    const first = performance.now() - begin;
    const beginAll = performance.now();
    assert.equal((await store.readTimeRange()).length, run.scaled(EVENTS));
    return { 'first event': first * 1e6, 'all first': (performance.now() - beginAll) * 1e6 };
  },
  memory: async (run) => {
    const { memoryEngine } = await import('../../dist/esm/index.js');
    const { store } = await filled(run, { engine: memoryEngine({ recordCacheBytes: 0 }) });
    await take(store.replay(), 10_000);
    return {
      'memory of a tenth': await mostHeld(store, run.scaled(EVENTS / 10)),
      'memory of the whole': await mostHeld(store, run.scaled(EVENTS)),
    };
  },
  speed: async (run) => {
    const { store } = await filled(run);
    const events = run.scaled(EVENTS);
    const costs = {};
    for (const [name, read] of [
      ['in batches', inBatches],
      ['one by one', oneByOne],
    ]) {
      // The first loop warms up, and leaves the same records in the cache to both.
      await read(store);
      const begin = performance.now();
      assert.equal(await read(store), events);
      costs[name] = ((performance.now() - begin) * 1e6) / events;
    }
    return costs;
  },
  'event loop': async (run) => {
    const { store } = await filled(run);
    await inBatches(store);
    let longest = 0;
    let last = performance.now();
    let isRunning = true;
    const turn = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      if (isRunning) setImmediate(turn);
    };
    setImmediate(turn);
    await new Promise(setImmediate);
    longest = 0;
    await oneByOne(store);
    isRunning = false;
    return { 'longest turn': longest * 1e6 };
  },
};

async function filled({ scaled }, options) {
  const { store } = await openOurs({ maxEventsPerStream: 0, ...options });
  for (let index = 0; index < scaled(EVENTS); index++) {
    await store.append(`stream-${index % STREAMS}`, { type: 'happened', data: 'a short payload' });
  }
  return { store };
}

async function inBatches(store) {
  let events = 0;
  for await (const batch of store.replay().batches()) events += batch.length;
  return events;
}

async function oneByOne(store) {
  let events = 0;
  for await (const event of store.replay()) events += event.position > 0 ? 1 : 0;
  return events;
}

async function take(replay, count) {
  let events = 0;
  for await (const event of replay) {
    assert.ok(event.globalPosition > 0);
    if (++events === count) return;
  }
}

/** The most memory beyond what was held before, at ten moments of a replay of so many events. */
async function mostHeld(store, count) {
  const before = memory();
  let most = 0;
  let events = 0;
  for await (const event of store.replay()) {
    assert.ok(event.position > 0);
    events++;
    if (events % (count / 10) === 0) most = Math.max(most, memory() - before);
    if (events === count) break;
  }
  return most;
}

function memory() {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
