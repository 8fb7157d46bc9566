import { fork } from 'node:child_process';
import { join } from 'node:path';
import { startNestSse, startOurs } from '../nest-apps.mjs';

export const title = 'Server-sent events';

export const about = `\
Events in groups of 50 to 100 clients in another process, until each has all of them; the cost of one delivery. The server
is at most 2 000 events ahead of the slowest client. Ours appends the events to the store, from where any client can go on
after its last one; a client that is slow costs a bounded amount of memory. Compared with Nest's \`@Sse()\`, an Observable
for each client, which does neither. Each client's events are counted.`;

const ADAPTERS = ['Express', 'Fastify'];
const CLIENTS = 100;
const GROUP = 50;
const MOST_AHEAD = 2_000;

export const rows = ADAPTERS.map((adapter) => ({
  number: 17,
  work: `deliver to 100 clients over SSE, ${adapter}`,
  ours: `ours, ${adapter}`,
  against: 'Nest @Sse()',
  theirs: `Nest @Sse(), ${adapter}`,
  goal: { atLeast: 20 },
}));

export const cases = Object.fromEntries(
  ADAPTERS.flatMap((adapter) => [
    [`ours, ${adapter}`, ({ scaled }) => deliver(adapter, scaled(40_000), ours)],
    [`Nest @Sse(), ${adapter}`, ({ scaled }) => deliver(adapter, scaled(4_000), nest)],
  ]),
);

async function ours(adapter) {
  const { app, port, store } = await startOurs(adapter);
  const publish = (events) =>
    store.append(
      'ticks',
      events.map(({ data }) => ({ type: 'ticked', data })),
    );
  return { app, port, path: '/event-store/streams/ticks/events', publish };
}

async function nest(adapter) {
  const { app, port, events: subject } = await startNestSse(adapter);
  const publish = async (events) => events.forEach((event) => subject.next(event));
  return { app, port, path: '/events', publish };
}

/** What one delivery costs, after a quarter of the events to warm up. */
async function deliver(adapter, count, start) {
  const warmUp = Math.ceil(count / 4);
  const total = warmUp + count;
  const { app, port, path, publish } = await start(adapter);
  const clients = fork(join(import.meta.dirname, '../sse-clients.mjs'), [port, path, CLIENTS, total]);
  const progress = followed(clients);
  await progress.began;
  let next = 0;
  const publishUpTo = async (end) => {
    while (next < end) {
      const group = Array.from({ length: Math.min(GROUP, end - next) }, () => eventOf(++next));
      await publish(group);
      if (next - progress.least > MOST_AHEAD) await progress.reached(next - MOST_AHEAD);
      else await new Promise((resolve) => setImmediate(resolve));
    }
    await progress.reached(end);
  };
  await publishUpTo(warmUp);
  const begin = performance.now();
  await publishUpTo(total);
  const cost = ((performance.now() - begin) * 1e6) / (count * CLIENTS);
  clients.kill();
  await app.close();
  return cost;
}

/** As a client gets it from the store. */
function eventOf(position) {
  const timestamp = new Date();
  return {
    ...{ id: '01890a5d-ac96-774b-bcce-b302099a8057', type: 'ticked', data: `tick number ${position}`, metadata: {} },
    ...{ timestamp, streamId: 'ticks', position, globalPosition: position, recordedAt: timestamp },
  };
}

function followed(clients) {
  let begin;
  let wake;
  const progress = {
    least: 0,
    began: new Promise((resolve) => (begin = resolve)),
    async reached(count) {
      while (progress.least < count) {
        if (clients.exitCode !== null) throw new Error(`The clients ended with ${clients.exitCode}.`);
        await new Promise((resolve) => (wake = resolve));
      }
    },
  };
  clients.on('message', (message) => {
    if (message === 'following') return begin();
    progress.least = message;
    wake?.();
  });
  clients.on('exit', () => wake?.());
  return progress;
}
