import assert from 'node:assert/strict';
import { costPerCall } from '../measure.mjs';
import { openCastore, openEmmett, openOcoda, openOurs } from '../stores.mjs';

export const title = 'Appending';

export const about = `\
One event with a short text as its payload at a time, each awaited before the next. Rows 1: 20 000 events, in a process that
has just started and runs code that is not compiled yet; or warmed up by filling three such stores before. Every call says
which revision it expects, except in the last two; ocoda/event-sourcing takes it, but does not check it. Rows 2: five million
events, warmed up.`;

const EVENTS = 20_000;
const STREAMS = { 'one stream': 1, '1 000 streams': 1_000 };
const WARM_UPS = { 'new process': 0, 'warmed up': 3 };
const OPEN = { ours: openOurs, emmett: openEmmett, castore: openCastore, ocoda: openOcoda };
const GOALS = {
  'one stream': { emmett: 100, castore: 25, ocoda: 10 },
  '1 000 streams': { emmett: 20, castore: 7.5, ocoda: 12 },
};
const UNCHECKED = 'new process, any revision';

const ways = Object.keys(STREAMS).flatMap((streams) => Object.keys(WARM_UPS).map((state) => ({ streams, state })));

export const rows = [
  ...ways.flatMap(({ streams, state }) => Object.keys(GOALS[streams]).map((peer) => versus(peer, streams, state))),
  ...Object.keys(STREAMS).map((streams) => versus('emmett', streams, UNCHECKED)),
  ...Object.keys(STREAMS).flatMap((streams) =>
    ['900 000', '4 900 000'].map((begin) => ({
      number: 2,
      work: `append one event, ${streams}, the 100 000 from ${begin} on`,
      ours: `from ${begin}, ${streams}`,
      against: 'the 100 000 from 10 000 on',
      theirs: `from 10 000, ${streams}`,
      goal: { atMost: 1.3 },
    })),
  ),
];

function versus(peer, streams, state) {
  return {
    number: 1,
    work: `append one event, ${streams}, ${state}`,
    ours: `ours, ${streams}, ${state}`,
    against: peer,
    theirs: `${peer}, ${streams}, ${state}`,
    goal: { atLeast: GOALS[streams][peer] },
  };
}

export const cases = Object.fromEntries([
  ...ways.flatMap(({ streams, state }) =>
    Object.entries(OPEN).map(([store, open]) => [
      `${store}, ${streams}, ${state}`,
      (run) => appendAll(run, open, 'append', STREAMS[streams], WARM_UPS[state]),
    ]),
  ),
  ...Object.keys(STREAMS).flatMap((streams) =>
    ['ours', 'emmett'].map((store) => [
      `${store}, ${streams}, ${UNCHECKED}`,
      (run) => appendAll(run, OPEN[store], 'appendToAny', STREAMS[streams]),
    ]),
  ),
  ...Object.keys(STREAMS).map((streams) => [`growth, ${streams}`, (run) => grow(run, streams)]),
]);

/** What an append costs in a store that gets so many, after other stores got as many. */
async function appendAll({ scaled }, open, append, streams, warmUps = 0) {
  const events = scaled(EVENTS);
  let cost;
  for (let filled = 0; filled <= warmUps; filled++) {
    const store = await open();
    cost = await costPerCall(events, eventAfterEvent(store[append], streams));
    if (store.counted) assert.equal(store.counted.appended, events);
  }
  return cost;
}

/** What an append costs early and late in the life of a store. */
async function grow({ scaled }, streams) {
  const warmUp = await openOurs();
  await costPerCall(scaled(100_000), eventAfterEvent(warmUp.append, STREAMS[streams]));

  const { append, counted } = await openOurs({ maxEventsPerStream: 0 });
  const call = eventAfterEvent(append, STREAMS[streams]);
  let appended = 0;
  const appendUpTo = (count) => {
    const begin = appended;
    appended = count;
    return costPerCall(count - begin, (index) => call(begin + index));
  };
  await appendUpTo(scaled(10_000));
  const early = await appendUpTo(scaled(110_000));
  await appendUpTo(scaled(900_000));
  const late = await appendUpTo(scaled(1_000_000));
  await appendUpTo(scaled(4_900_000));
  const last = await appendUpTo(scaled(5_000_000));
  assert.equal(counted.appended, appended);
  return {
    [`from 10 000, ${streams}`]: early,
    [`from 900 000, ${streams}`]: late,
    [`from 4 900 000, ${streams}`]: last,
  };
}

/** Appends to each stream in turn. */
function eventAfterEvent(append, streams) {
  const streamIds = Array.from({ length: streams }, (_, index) => `stream-${index}`);
  return (index) => append(streamIds[index % streams], Math.floor(index / streams));
}
