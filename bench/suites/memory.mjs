import assert from 'node:assert/strict';
import { costPerCall } from '../measure.mjs';
import { order } from '../payload.mjs';
import { openOurs } from '../stores.mjs';

export const title = 'Memory and stalls';

export const about = `\
Rows 3 and 4: a million events, each with an object of its own of some 200 bytes of JSON, over 1 000 streams. The array keeps
what a store without columns would have to keep so that neither writer nor reader can change an event: a frozen record with a
deep, frozen copy. Memory is what the heap and what lies beside it have grown by after a collection. Row 5: the longest of all
runs of 1 024 appends of a short text on the way from 4.5 to 5 million events.`;

const EVENTS = 1_000_000;
const MANY = 5_000_000;
const STREAMS = 1_000;
const BLOCK = 1_024;

export const rows = [
  {
    number: 3,
    work: 'append an object of 200 bytes',
    ours: 'ours, append',
    against: 'array of deep-copied frozen objects',
    theirs: 'array, append',
    goal: { atLeast: 2 },
  },
  {
    number: 4,
    work: 'memory for an event',
    ours: 'ours, memory',
    against: 'array of the same events',
    theirs: 'array, memory',
    goal: { atMost: 0.4 },
    unit: 'bytes',
  },
  {
    number: 4,
    work: '`memoryUsageBytes` for an event, off by',
    ours: 'stats off by',
    against: 'what the process grew by',
    theirs: 'ours, memory',
    goal: { atMost: 0.15 },
    unit: 'bytes',
  },
  {
    number: 5,
    work: 'worst 1 024 appends, 5 000 000 events',
    ours: 'ours, worst block',
    against: 'array of objects',
    theirs: 'array, worst block',
    goal: { atMost: 1 / 8 },
  },
];

export const cases = {
  'ours, objects': async ({ scaled }) => {
    await fill(scaled(50_000), openStore, order);
    const before = memory();
    const { append, store } = await openStore();
    const count = scaled(EVENTS);
    const cost = await costPerCall(count, (index) => append(index, order(index)));
    const perEvent = (memory() - before) / count;
    const { memoryUsageBytes, totalEvents } = await store.stats();
    assert.equal(totalEvents, count);
    const off = Math.abs(memoryUsageBytes / count - perEvent);
    return { 'ours, append': cost, 'ours, memory': perEvent, 'stats off by': off };
  },
  'array, objects': async ({ scaled }) => {
    await fill(scaled(50_000), openArray, order);
    const before = memory();
    const { append, records } = await openArray();
    const count = scaled(EVENTS);
    const cost = await costPerCall(count, (index) => append(index, order(index)));
    const perEvent = (memory() - before) / count;
    assert.equal(records.length, count);
    return { 'array, append': cost, 'array, memory': perEvent };
  },
  'ours, stalls': async (run) => ({ 'ours, worst block': await worstBlock(run, openStore) }),
  'array, stalls': async (run) => ({ 'array, worst block': await worstBlock(run, openArray) }),
};

async function openStore() {
  const { store } = await openOurs({ maxEventsPerStream: 0 });
  const append = (index, data) => store.append(`stream-${index % STREAMS}`, { type: 'ordered', data });
  return { append, store };
}

async function openArray() {
  const records = [];
  const append = async (index, data) => {
    const recordedAt = Object.freeze(new Date());
    const record = {
      id: crypto.randomUUID(),
      type: 'ordered',
      data: frozenCopy(data),
      metadata: NO_METADATA,
      timestamp: recordedAt,
      streamId: `stream-${index % STREAMS}`,
      position: Math.floor(index / STREAMS) + 1,
      globalPosition: records.length + 1,
      recordedAt,
    };
    records.push(Object.freeze(record));
  };
  return { append, records };
}

const NO_METADATA = Object.freeze({});

function frozenCopy(value) {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy));
  const copy = {};
  for (const name of Object.keys(value)) copy[name] = frozenCopy(value[name]);
  return Object.freeze(copy);
}

async function fill(count, open, payload) {
  const { append } = await open();
  for (let index = 0; index < count; index++) await append(index, payload(index));
}

/** The longest that 1 024 appends in a row took, in nanoseconds. */
async function worstBlock({ scaled }, open) {
  const { append } = await open();
  const [begin, end] = [scaled(MANY * 0.9), scaled(MANY)];
  for (let index = 0; index < begin; index++) await append(index, 'a short payload');
  let worst = 0;
  for (let index = begin; index < end; index += BLOCK) {
    const cost = await costPerCall(BLOCK, (place) => append(index + place, 'a short payload'));
    worst = Math.max(worst, cost * BLOCK);
  }
  return worst;
}

/** What this process holds, in bytes, after everything that can be freed is. */
function memory() {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
