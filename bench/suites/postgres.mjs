import assert from 'node:assert/strict';
import { costPerCall, percentile } from '../measure.mjs';
import { withPostgres } from '../postgres-server.mjs';
import { openEmmettOnPostgres, openOursOnPostgres } from '../stores.mjs';

export const title = 'PostgreSQL';

export const about = `\
The server runs beside the program and shares its processor; each case has a server of its own, with the settings it comes
with, so that every commit waits for the disk. Events have about 200 bytes of data. Each writer appends to a stream of its
own, and says which revision it expects. Ours gives global positions in the order of commits and without gaps, and tells
other instances of each commit. Each figure of 16 writers is per event; "p99" is how long the slowest of 100 appends took.`;

const DATA = {
  orderId: 'order-4711',
  customer: 'c'.repeat(60),
  total: 129.95,
  currency: 'EUR',
  note: 'n'.repeat(80),
  isGift: false,
};
const WRITERS = 16;
const BATCH = 100;

const versus = (work, measurement, goal) => ({
  number: 14,
  work,
  ours: `ours, ${measurement}`,
  against: 'emmett-postgresql',
  theirs: `emmett, ${measurement}`,
  goal,
});

export const rows = [
  versus('append one event, 1 writer', '1 writer', { atLeast: 2.4 }),
  versus('append one event, 16 writers', '16 writers', { atLeast: 9 }),
  versus('append one event, 16 writers, p99', '16 writers p99', { atLeast: 5 }),
  versus('append a batch of 100', 'batch of 100', { atLeast: 2.2 }),
  { ...versus('read a stream of 1 000', 'read 1 000', { atLeast: 2 }), number: 15 },
];

export const cases = {
  ours: (run) => withPostgres((url) => measure(run, 'ours', openOursOnPostgres, url)),
  emmett: (run) => withPostgres((url) => measure(run, 'emmett', openEmmettOnPostgres, url)),
};

async function measure({ scaled }, name, open, url) {
  const store = await open(url);
  const one = [{ type: 'order.placed', data: DATA }];
  const many = Array.from({ length: BATCH }, () => one[0]);
  let streams = 0;
  /** Appends to a stream of its own, `count` times. */
  const write = async (events, count, took = () => {}) => {
    const streamId = `stream-${streams++}`;
    for (let index = 0; index < count; index++) {
      const begin = performance.now();
      await store.append(streamId, events, index * events.length);
      took(performance.now() - begin);
    }
    return streamId;
  };
  await write(one, scaled(500));
  const single = await costPerCall(1, () => write(one, scaled(2_000)));

  const latencies = [];
  const together = await costPerCall(1, () =>
    Promise.all(Array.from({ length: WRITERS }, () => write(one, scaled(1_000), (ms) => latencies.push(ms)))),
  );

  const batches = scaled(200);
  await write(many, scaled(50));
  let streamId;
  const batch = await costPerCall(1, async () => (streamId = await write(many, batches)));
  await write(many, 10);
  const toRead = `stream-${streams - 1}`;
  assert.equal((await store.read(toRead)).length, 1_000);
  assert.equal((await store.read(streamId)).length, batches * BATCH);
  await costPerCall(scaled(50), () => store.read(toRead));
  const read = await costPerCall(scaled(300), () => store.read(toRead));
  await store.close();
  return {
    [`${name}, 1 writer`]: single / scaled(2_000),
    [`${name}, 16 writers`]: together / (WRITERS * scaled(1_000)),
    [`${name}, 16 writers p99`]: percentile(latencies, 99) * 1e6,
    [`${name}, batch of 100`]: batch / batches,
    [`${name}, read 1 000`]: read,
  };
}
