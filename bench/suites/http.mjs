import { fork } from 'node:child_process';
import { join } from 'node:path';
import { startOurs, startTrivialEndpoint } from '../nest-apps.mjs';

export const title = 'Appending over HTTP';

export const about = `\
One event a POST, by 32 connections of autocannon in another process; the time the server takes for a request, of as many as
it can serve. Compared with the least that a Nest endpoint on the same adapter can do: take the event from the body, push it
into an array, answer with its number. Ours checks the request, appends, and answers with an ETag. Other answers than 201
fail the run.`;

const ADAPTERS = ['Express', 'Fastify'];

export const rows = ADAPTERS.map((adapter) => ({
  number: 16,
  work: `POST one event, ${adapter}`,
  ours: `ours, ${adapter}`,
  against: 'a trivial Nest endpoint',
  theirs: `trivial, ${adapter}`,
  goal: { atLeast: 0.9 },
}));

export const cases = Object.fromEntries(
  ADAPTERS.flatMap((adapter) => [
    [`ours, ${adapter}`, ({ scaled }) => costOfPost(() => startOurs(adapter), scaled(5_000))],
    [`trivial, ${adapter}`, ({ scaled }) => costOfPost(() => startTrivialEndpoint(adapter), scaled(5_000))],
  ]),
);

/** @param ms for how long, after half as long to warm up */
async function costOfPost(start, ms) {
  const { app, port } = await start();
  const url = `http://127.0.0.1:${port}/event-store/streams/orders/events`;
  const load = fork(join(import.meta.dirname, '../http-load.mjs'), [url, ms]);
  const cost = await new Promise((resolve, reject) => {
    load.on('message', resolve);
    load.on('exit', (code) => reject(new Error(`The load ended with ${code}.`)));
  });
  await app.close();
  return cost;
}
