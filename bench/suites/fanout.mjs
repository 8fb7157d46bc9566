import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { openOurs } from '../stores.mjs';

export const title = 'Fan-out';

export const about = `\
Events as fast as they can be appended, each awaited, until every subscriber has had every one of them; the cost of one
delivery. Ours is a subscription from END for each subscriber, observed as an Observable; beside delivering, it has stored
the event, can replay it, and lets no subscriber delay another. Nothing may be lost and nothing out of order, or the run fails.`;

const SUBSCRIBERS = { 10: 0.3, 100: 0.7, 1_000: 1 };
const DELIVERIES = 10_000_000;

export const rows = Object.entries(SUBSCRIBERS).map(([subscribers, goal]) => ({
  number: 10,
  work: `deliver a burst to ${subscribers} subscribers`,
  ours: `ours, ${subscribers}`,
  against: 'EventEmitter.emit',
  theirs: `EventEmitter, ${subscribers}`,
  goal: { atLeast: goal },
}));

export const cases = Object.fromEntries(
  Object.keys(SUBSCRIBERS).flatMap((subscribers) => [
    [`ours, ${subscribers}`, (run) => burst(run, Number(subscribers), subscribeToStore)],
    [`EventEmitter, ${subscribers}`, (run) => burst(run, Number(subscribers), subscribeToEmitter)],
  ]),
);

/** What one delivery costs, after a burst to warm up. */
async function burst({ scaled }, subscribers, subscribe) {
  const events = Math.ceil(scaled(DELIVERIES) / subscribers);
  let cost;
  for (const count of [Math.ceil(events / 4), events]) {
    let delivered = 0;
    const next = new Array(subscribers).fill(0);
    const publish = await subscribe(subscribers, (subscriber, number) => {
      assert.equal(number, next[subscriber]);
      next[subscriber]++;
      delivered++;
    });
    const begin = performance.now();
    for (let number = 0; number < count; number++) await publish(number);
    while (delivered < count * subscribers) await new Promise((resolve) => setImmediate(resolve));
    cost = ((performance.now() - begin) * 1e6) / delivered;
    assert.equal(delivered, count * subscribers);
  }
  return cost;
}

async function subscribeToStore(subscribers, told) {
  const { END } = await import('../../dist/esm/index.js');
  const { store } = await openOurs({ maxEventsPerStream: 0 });
  for (let subscriber = 0; subscriber < subscribers; subscriber++) {
    store
      .subscribe('ticks', END)
      .asObservable()
      .subscribe(({ data }) => told(subscriber, data));
  }
  return (number) => store.append('ticks', { type: 'ticked', data: number });
}

async function subscribeToEmitter(subscribers, told) {
  const emitter = new EventEmitter().setMaxListeners(0);
  for (let subscriber = 0; subscriber < subscribers; subscriber++) {
    emitter.on('ticked', ({ data }) => told(subscriber, data));
  }
  return async (number) => void emitter.emit('ticked', { type: 'ticked', data: number });
}
