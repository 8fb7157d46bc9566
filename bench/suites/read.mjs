import assert from 'node:assert/strict';
import { costPerCall, costPerCallInTurns, seededRandom, shuffle } from '../measure.mjs';
import { openCastore, openEmmett, openOurs } from '../stores.mjs';

export const title = 'Reading';

export const about = `\
Rows 6 and 7 read the same events again and again, as readers of a live stream do. Rows 8: 1 000 000 events over 1 000
streams, a millisecond apart, and ranges that hold 100 of them. They arrive in the order of time; or 1 % of them up to 5 000
places late; or in any order. "New ranges" have not been read before, so their events have to be made from what is stored;
"again" means that they were read lately. The scan goes through an array of objects that are all there, and sorts what it
finds. Ranges over events out of order need each chunk's places sorted by time, once: the first range pays for it.`;

const EVENTS = 1_000_000;
const STREAMS = 1_000;
const IN_RANGE = 100;
const TIME_OF_FIRST = Date.parse('2024-01-01T00:00:00Z');
const ORDERS = {
  'in order': { arrange: inOrder, goal: { atLeast: 3_000 } },
  '1 % late': { arrange: somewhatLate, goal: { atLeast: 300 } },
  shuffled: { arrange: shuffled, goal: { atLeast: 200 } },
};

export const rows = [
  {
    number: 6,
    work: 'read 100 of 1 000',
    ours: 'ours, 100 of 1 000',
    against: 'emmett',
    theirs: 'emmett, 100 of 1 000',
    goal: { atLeast: 2 },
  },
  {
    number: 6,
    work: 'read a whole stream of 1 000',
    ours: 'ours, whole 1 000',
    against: 'emmett',
    theirs: 'emmett, whole 1 000',
    goal: { atLeast: 2 },
  },
  {
    number: 6,
    work: 'read a whole stream of 1 000',
    ours: 'ours, whole 1 000',
    against: 'castore',
    theirs: 'castore, whole 1 000',
    goal: { atLeast: 20 },
  },
  {
    number: 7,
    work: 'last 100 of 1 000 000',
    ours: 'last 100',
    against: 'first 100',
    theirs: 'first 100',
    goal: { atMost: 1.5 },
  },
  {
    number: 7,
    work: 'last 100 of 1 000 000, newest first',
    ours: 'last 100 backward',
    against: 'first 100',
    theirs: 'first 100',
    goal: { atMost: 1.5 },
  },
  ...['again', 'new ranges'].flatMap((which) =>
    Object.entries(ORDERS).map(([order, { goal }]) => ({
      number: 8,
      work: `time range of 100, ${order}, ${which}`,
      ours: `range ${order}, ${which}`,
      against: 'full scan of an array',
      theirs: `scan ${order}`,
      goal,
    })),
  ),
  ...['1 % late', 'shuffled'].map((order) => ({
    number: 8,
    work: `append one event, ${order}`,
    ours: `append ${order}`,
    against: 'append in order',
    theirs: 'append in order',
    goal: { atMost: 1.1 },
  })),
  ...Object.keys(ORDERS).map((order) => ({
    number: 8,
    work: `the very first time range, ${order}`,
    ours: `first range ${order}`,
  })),
];

export const cases = {
  'ours, 100 of 1 000': (run) => readWarm(run, openOurs, 100),
  'emmett, 100 of 1 000': (run) => readWarm(run, openEmmett, 100),
  'ours, whole 1 000': (run) => readWarm(run, openOurs),
  'emmett, whole 1 000': (run) => readWarm(run, openEmmett),
  'castore, whole 1 000': (run) => readWarm(run, openCastore),
  'long stream': readLongStream,
  ...Object.fromEntries(
    Object.keys(ORDERS).flatMap((order) => [
      [`ranges ${order}`, (run) => readRanges(run, order)],
      [`scan ${order}`, (run) => scan(run, order)],
    ]),
  ),
};

/** @param count how many events to read; left out, the whole stream */
async function readWarm({ scaled }, open, count) {
  const { append, readFirst, readWhole } = await open();
  for (let revision = 0; revision < 1_000; revision++) await append('stream', revision);
  const read = count ? () => readFirst('stream', count) : () => readWhole('stream');
  const answer = await read();
  assert.equal((answer.events ?? answer).length, count ?? 1_000);
  await costPerCall(scaled(20_000), read);
  return costPerCall(scaled(100_000), read);
}

async function readLongStream({ scaled }) {
  const { store } = await openOurs({ maxEventsPerStream: EVENTS });
  const length = scaled(EVENTS);
  const batch = Array.from({ length: 1_000 }, () => ({ type: 'happened', data: 'a short payload' }));
  for (let appended = 0; appended < length; appended += batch.length) await store.append('stream', batch);

  assert.equal((await store.read('stream', length - 100, 100)).cursor.position, length);
  return costPerCallInTurns(20, scaled(5_000), {
    'first 100': () => store.read('stream', 0, 100),
    'last 100': () => store.read('stream', length - 100, 100),
    'last 100 backward': () => store.readStream('stream', 'end', { limit: 100, direction: 'backward' }),
  });
}

async function readRanges({ scaled }, order) {
  const streamIds = Array.from({ length: STREAMS }, (_, index) => `stream-${index}`);
  const warmUp = await openOurs();
  await costPerCall(scaled(100_000), (index) => warmUp.appendAt(streamIds[index % STREAMS], TIME_OF_FIRST + index));

  const { store, counted, appendAt } = await openOurs();
  const times = arrivals(scaled(EVENTS), order);
  const append = await costPerCall(times.length, (index) => appendAt(streamIds[index % STREAMS], times[index]));

  // Ranges that do not overlap, so that a new one was never read before.
  const begins = shuffledRanges(times.length);
  const read = (begin) => store.readTimeRange(begin, begin + IN_RANGE - 1);
  const first = await costPerCall(1, () => read(begins[0]));
  const [warm, fresh] = [scaled(1_000), scaled(3_000)];
  await costPerCall(warm, (index) => read(begins[1 + index]));
  const unread = await costPerCall(fresh, (index) => read(begins[1 + warm + index]));

  const few = begins.slice(-100);
  for (const begin of few) assert.equal((await read(begin)).length, IN_RANGE);
  const again = await costPerCall(scaled(10_000), (index) => read(few[index % few.length]));
  assert.equal(counted.read, IN_RANGE * (1 + warm + fresh + few.length + scaled(10_000)));
  return {
    [`append ${order}`]: append,
    [`first range ${order}`]: first,
    [`range ${order}, new ranges`]: unread,
    [`range ${order}, again`]: again,
  };
}

async function scan({ scaled }, order) {
  const times = arrivals(scaled(EVENTS), order);
  const records = Array.from(times, (timestamp, index) => ({
    streamId: `stream-${index % STREAMS}`,
    position: Math.floor(index / STREAMS) + 1,
    globalPosition: index + 1,
    type: 'happened',
    data: 'a short payload',
    timestamp,
  }));
  const begins = shuffledRanges(times.length);
  const scanOnce = (begin) => {
    const found = [];
    for (const record of records) {
      if (record.timestamp >= begin && record.timestamp < begin + IN_RANGE) found.push(record);
    }
    assert.equal(found.length, IN_RANGE);
    return found.sort((a, b) => a.timestamp - b.timestamp);
  };
  for (const begin of begins.slice(0, 5)) scanOnce(begin);
  return costPerCall(20, (index) => scanOnce(begins[index]));
}

/** The times of the events, in the order in which they arrive. */
function arrivals(count, order) {
  return Float64Array.from(ORDERS[order].arrange(count, seededRandom()), (place) => TIME_OF_FIRST + place);
}

function inOrder(count) {
  return Uint32Array.from({ length: count }, (_, place) => place);
}

function somewhatLate(count, random) {
  const arrival = Float64Array.from({ length: count }, (_, place) => place + (random() < 0.01 ? 5_000 * random() : 0));
  return inOrder(count).sort((a, b) => arrival[a] - arrival[b]);
}

function shuffled(count, random) {
  return shuffle(inOrder(count), random);
}

/** Where ranges of 100 events begin that together cover all time, in any order. */
function shuffledRanges(events) {
  const begins = Array.from({ length: events / IN_RANGE }, (_, index) => TIME_OF_FIRST + index * IN_RANGE);
  return shuffle(begins, seededRandom(2));
}
