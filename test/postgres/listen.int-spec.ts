import { describe, expect, it } from '@jest/globals';
import { END, type EventStore } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { ManualClock } from 'nestjs-stream-store/testing';
import pg from 'pg';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { startTcpProxy } from '../support/servers/tcp-proxy.js';
import { openBareEngine } from './fixtures/bare-engine.js';

const { server, openStore } = usePostgres();

/** The connections that listen for appends to a schema. */
async function listeners(schema: string): Promise<number[]> {
  const rows = await server().run(
    `SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' || $1 || '%' OR query = 'SELECT 1'`,
    [schema],
  );
  return rows.map(({ pid }) => pid as number);
}

/**
 * A store that reads live events, and another one on the same log. The clock of the first stands still, so that it does not
 * look for news by itself.
 */
async function openReaderAndWriter(engine: { listen?: boolean } = {}) {
  const schema = server().newSchema();
  const clock = new ManualClock();
  const reading = await openStore({ schema, ...engine }, { clock });
  const writing: EventStore = await openStore({ schema });
  const subscription = reading.subscribe({ all: true }, END);
  const reader = collect(subscription);
  await subscription.caughtUp();
  return { schema, clock, writing, reader };
}

describe('a subscription', () => {
  it('is woken by an append of another instance', async () => {
    const { schema, writing, reader } = await openReaderAndWriter();
    await eventually('LISTEN', async () => (await listeners(schema)).length === 2);

    await writing.append('orders', numbered(1, 1));

    await eventually('the event', () => reader.items.length === 1);
  });

  it('still sees appends when its connection is killed, and is woken again soon', async () => {
    const { schema, clock, writing, reader } = await openReaderAndWriter();
    await eventually('LISTEN', async () => (await listeners(schema)).length === 2);
    for (const pid of await listeners(schema)) await server().run('SELECT pg_terminate_backend($1)', [pid]);
    await eventually('the end of both', async () => (await listeners(schema)).length < 2);

    await writing.append('orders', numbered(1, 1));
    await eventually('the event', async () => {
      await clock.advance(1_000);
      return reader.items.length === 1;
    });
    await eventually('LISTEN again', async () => {
      await clock.advance(1_000);
      return (await listeners(schema)).length === 2;
    });
    await writing.append('orders', numbered(2, 2));

    await eventually('the second event', () => reader.items.length === 2);
    expect(dataOf(reader.items)).toEqual([1, 2]);
  });

  it('looks for news every second without LISTEN', async () => {
    const { schema, clock, writing, reader } = await openReaderAndWriter({ listen: false });
    await writing.append('orders', numbered(1, 1));

    await eventually('the event', async () => {
      await clock.advance(1_000);
      return reader.items.length === 1;
    });

    // Only the writer listens.
    expect(await listeners(schema)).toHaveLength(1);
  });
});

it('gives a connection up that has fallen silent', async () => {
  const proxy = await startTcpProxy(Number(new URL(server().url).port));
  const connectionString = server()
    .url.replace(/:\d+\//, `:${proxy.port}/`)
    .replace('localhost', '127.0.0.1');
  const schema = server().newSchema();
  const clock = new ManualClock();
  const engine = await openBareEngine(postgresEngine({ connectionString, schema }), { clock });
  const writing = await openStore({ schema });
  const heard: (string | undefined)[] = [];
  const stop = engine.onAppended!((streamId) => void heard.push(streamId));
  await eventually('LISTEN', () => heard.length === 1);

  proxy.fallSilent();
  await clock.advance(15_000);
  proxy.recover();
  await eventually('LISTEN on a new connection', async () => {
    await clock.advance(5_000);
    return heard.length === 2;
  });
  await writing.append('orders', numbered(1, 1));

  await eventually('the hint', () => heard.length === 3);
  expect(heard).toEqual([undefined, undefined, 'orders']);
  stop();
  await engine.close();
  await proxy.close();
});

it('tells of many appends with few notifications, and of the last one too', async () => {
  const schema = server().newSchema();
  const store = await openStore({ schema }, { maxEventsPerStream: 0 });
  const client = new pg.Client(server().url);
  client.on('error', () => undefined);
  await client.connect();
  const heard: string[] = [];
  client.on('notification', ({ payload = '' }) => void heard.push(payload));
  await client.query(`LISTEN "event-store:${schema}"`);
  const begun = Date.now();

  for (let index = 0; index < 300; index++) await store.append('orders', numbered(index, index));

  const most = (Date.now() - begun) / 10 + 2;
  await eventually('the last notification', () => heard.length > 0 && !heard.at(-1)!.includes(' '));
  expect(heard[0]).toMatch(/^\S+ orders$/);
  expect(heard.length).toBeLessThanOrEqual(most);
  await client.end();
});
