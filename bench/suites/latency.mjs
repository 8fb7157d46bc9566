import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { openOurs } from '../stores.mjs';

export const title = 'Latency';

export const about = `\
One event in a millisecond to 100 subscribers; the time from the call that appends it to a subscriber that has it, as the
99th percentile over all subscribers of 8 000 events, after 4 000 to warm up: at such a pace it takes seconds until all that
is run is compiled. Ours as in the fan-out.`;

const SUBSCRIBERS = 100;
const EVENTS = 12_000;

export const rows = [
  {
    number: 11,
    work: 'append to handler, p99, 100 subscribers',
    ours: 'ours, p99',
    against: 'EventEmitter.emit',
    theirs: 'EventEmitter, p99',
    goal: { atMost: 3 },
  },
  {
    number: 11,
    work: 'append to handler, median',
    ours: 'ours, p50',
    against: 'EventEmitter.emit',
    theirs: 'EventEmitter, p50',
  },
];

export const cases = {
  ours: async (run) => percentiles('ours', await latencies(run, publishToStore)),
  EventEmitter: async (run) => percentiles('EventEmitter', await latencies(run, publishToEmitter)),
};

async function latencies({ scaled }, open) {
  const events = scaled(EVENTS);
  const found = [];
  const publish = await open((sentAt) => found.push(performance.now() - sentAt));
  for (let number = 0; number < events; number++) {
    const due = performance.now() + 1;
    await publish(performance.now());
    // Timers of Node are a millisecond coarse, so the wait is a loop over turns of the event loop.
    while (performance.now() < due) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(found.length, events * SUBSCRIBERS);
  // The first third warms up.
  return found.slice(found.length / 3);
}

function percentiles(name, latenciesMs) {
  const sorted = latenciesMs.sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(sorted.length * share)] * 1e6;
  return { [`${name}, p50`]: at(0.5), [`${name}, p99`]: at(0.99) };
}

async function publishToStore(told) {
  const { END } = await import('../../dist/esm/index.js');
  const { store } = await openOurs({ maxEventsPerStream: 0 });
  for (let subscriber = 0; subscriber < SUBSCRIBERS; subscriber++) {
    store
      .subscribe('ticks', END)
      .asObservable()
      .subscribe(({ data }) => told(data));
  }
  return (now) => store.append('ticks', { type: 'ticked', data: now });
}

async function publishToEmitter(told) {
  const emitter = new EventEmitter().setMaxListeners(0);
  for (let subscriber = 0; subscriber < SUBSCRIBERS; subscriber++) emitter.on('ticked', ({ data }) => told(data));
  return async (now) => void emitter.emit('ticked', { type: 'ticked', data: now });
}
