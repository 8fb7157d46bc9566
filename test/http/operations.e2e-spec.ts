import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, type INestApplication } from '@nestjs/common';
import {
  DeadLetters,
  EventStoreModule,
  memoryEngine,
  OnStreamEvent,
  StreamSubscriptions,
  type RecordedEvent,
} from 'nestjs-stream-store';
import { numbered } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { ADAPTERS, startHttpApp, type Answer } from './http-app.js';

@Injectable()
class Billing {
  refuses = true;
  readonly billed: unknown[] = [];
  wait: () => Promise<void> | void = () => undefined;

  @OnStreamEvent('orders', { durable: 'billing / EU', retry: { attempts: 2, initialDelayMs: 1 } })
  async bill({ data }: RecordedEvent): Promise<void> {
    await this.wait();
    if (this.refuses && data === 2) throw new TypeError('no card');
    this.billed.push(data);
  }
}

@Injectable()
class OfAnotherStore {
  @OnStreamEvent('orders', { store: 'audit', durable: 'auditing', retry: { attempts: 1 } })
  refuse(): void {
    throw new Error('never');
  }
}

@Injectable()
class OfEverything {
  @OnStreamEvent({ all: true }, { durable: 'everything', retry: { attempts: 1 } })
  refuse(): void {
    throw new Error('No.');
  }
}

/** How many connections the server of an application has. */
const connectionsTo = (app: INestApplication): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = app.getHttpServer() as Server;
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe.each(ADAPTERS)('on %s', (adapter) => {
  const start = () => startHttpApp(adapter, { providers: [Billing], logger: new RecordingNestLogger() });

  it('GET /stats gives the figures of the store', async () => {
    const { store, get } = await startHttpApp(adapter);
    await store.append('orders', numbered(1, 3));
    await store.readStream('orders');

    const stats = await store.stats();
    expect((await get('/stats')).json).toEqual({
      store: 'memory-store',
      readOnly: false,
      ...stats,
      deadLetters: 0,
      liveClients: 0,
    });
  });

  it('GET /subscriptions says how each handler of the store is doing', async () => {
    const { store, get, app } = await start();
    await store.append('orders', numbered(1, 3));
    await app.get(StreamSubscriptions).whenSettled();

    expect((await get('/subscriptions')).json).toEqual({
      subscriptions: [
        {
          name: 'billing / EU',
          store: 'memory-store',
          isDurable: true,
          state: 'live',
          position: 3,
          lag: 0,
          failures: 2,
          lastError: { name: 'TypeError', message: 'no card' },
        },
      ],
    });
  });

  it('GET /dead-letters gives what could not be handled, without a trace of the code', async () => {
    const { store, get, app } = await start();
    await store.append('orders', numbered(1, 3));
    await app.get(StreamSubscriptions).whenSettled();

    const { json, text } = await get('/dead-letters');

    expect(json.deadLetters).toEqual([
      {
        id: 'billing / EU:2',
        subscription: 'billing / EU',
        event: JSON.parse(JSON.stringify((await store.readStream('orders'))[1])) as object,
        error: { name: 'TypeError', message: 'no card' },
        attempts: 2,
        failedAt: expect.any(String),
        isParked: false,
      },
    ]);
    expect(text).not.toContain('.ts:');
    expect((await get('/dead-letters?subscription=other')).json.deadLetters).toEqual([]);
  });

  it('POST …/retry hands an event to its handler once more', async () => {
    const { store, get, send, app } = await start();
    await store.append('orders', numbered(1, 3));
    await app.get(StreamSubscriptions).whenSettled();
    const retry = () => send('POST', `/dead-letters/${encodeURIComponent('billing / EU:2')}/retry`);

    const failed = await retry();
    app.get(Billing).refuses = false;
    const done = await retry();

    expect(failed).toMatchObject({ status: 409, json: { code: 'HANDLER_FAILED', handler: 'billing / EU' } });
    expect([done.status, done.text]).toEqual([204, '']);
    expect(app.get(Billing).billed).toEqual([1, 3, 2]);
    expect((await get('/dead-letters')).json.deadLetters).toEqual([]);
  });

  it('DELETE gives an event up', async () => {
    const { store, get, send, app } = await start();
    await store.append('orders', numbered(1, 3));
    await app.get(StreamSubscriptions).whenSettled();
    const discard = () => send('DELETE', `/dead-letters/${encodeURIComponent('billing / EU:2')}`);

    expect((await discard()).status).toBe(204);
    expect(await discard()).toMatchObject({
      status: 404,
      json: { code: 'DEAD_LETTER_NOT_FOUND', id: 'billing / EU:2' },
    });
    expect((await get('/stats')).json.deadLetters).toBe(0);
  });

  it('GET /dead-letters gives page after page, and those that match', async () => {
    const { store, get, app } = await startHttpApp(adapter, {
      providers: [OfEverything],
      logger: new RecordingNestLogger(),
    });
    for (let data = 1; data <= 5; data++) await store.append(data % 2 ? 'odd' : 'even', numbered(data, data));
    await app.get(StreamSubscriptions).whenSettled();

    const seen: unknown[] = [];
    for (let path: string | null = '/dead-letters?limit=2&error=NO'; path !== null;) {
      const { json, headers }: Answer = await get(path);
      const letters = json.deadLetters as unknown as { event: { data: unknown } }[];
      seen.push(letters.map(({ event }) => event.data));
      const next = json.next as unknown as string | null;
      expect(headers.link).toBe(next === null ? undefined : `<${next}>; rel="next"`);
      path = next === null ? null : `/dead-letters${next}`;
    }

    expect(seen).toEqual([[1, 2], [3, 4], [5]]);
    const even = (await get('/dead-letters?stream=even&from=2000-01-01')).json.deadLetters as unknown as object[];
    expect(even).toHaveLength(2);
    expect((await get('/dead-letters?to=2000-01-01')).json.deadLetters).toEqual([]);
    for (const wrong of ['limit=0', 'limit=1001', 'after=1', 'from=x']) {
      expect(await get(`/dead-letters?${wrong}`)).toMatchObject({ status: 400, json: { field: wrong.split('=')[0] } });
    }
  });

  it('POST /dead-letters/retry and /discard handle all that match, and tell how far they are', async () => {
    const { store, send, get, app } = await start();
    for (let n = 0; n < 3; n++) await store.append('orders', numbered(2, 2));
    await app.get(StreamSubscriptions).whenSettled();
    const linesOf = ({ text }: Answer): unknown[] =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);

    const failed = await send('POST', '/dead-letters/retry');
    app.get(Billing).refuses = false;
    const none = await send('POST', '/dead-letters/discard?error=nothing+like+it');
    const retried = await send('POST', '/dead-letters/retry?subscription=billing+%2F+EU&error=card');

    expect(failed.headers['content-type']).toBe('application/x-ndjson');
    expect(linesOf(failed).at(-1)).toEqual({ total: 3, done: 0, failed: 3, skipped: 0, isDone: true });
    expect(linesOf(none)).toEqual([{ total: 0, done: 0, failed: 0, skipped: 0, isDone: true }]);
    expect(linesOf(retried).at(-1)).toEqual({ total: 3, done: 3, failed: 0, skipped: 0, isDone: true });
    expect(app.get(Billing).billed).toEqual([2, 2, 2]);
    expect((await get('/dead-letters')).json.deadLetters).toEqual([]);
    expect(await send('POST', '/dead-letters/retry?handler=x')).toMatchObject({
      status: 400,
      json: { field: 'handler' },
    });
  });

  it('tells how far a retry of many is once a second, and ends it when the client goes', async () => {
    const clock = new ManualClock();
    const { store, url, app } = await startHttpApp(adapter, {
      ...{ providers: [Billing], logger: new RecordingNestLogger() },
      store: { clock },
    });
    const billing = app.get(Billing);
    for (let n = 0; n < 5; n++) await store.append('orders', numbered(2, 2));
    await clock.advance(100);
    await app.get(StreamSubscriptions).whenSettled();
    billing.refuses = false;
    const atWork: (() => void)[] = [];
    billing.wait = () => new Promise((resolve) => atWork.push(resolve));

    const client = request(`${url}/dead-letters/retry`, { method: 'POST', agent: false });
    client.on('error', () => undefined).end();
    await eventually('the first', () => atWork.length === 1);
    await clock.advance(1_000);
    atWork[0]();
    const [response] = (await once(client, 'response')) as [IncomingMessage];
    const [line] = (await once(response.setEncoding('utf8'), 'data')) as [string];
    client.destroy();
    await eventually('the second', () => atWork.length === 2);
    await eventually('that the server has seen it go', async () => (await connectionsTo(app)) === 0);
    await settled();
    atWork[1]();
    await settled();

    expect(JSON.parse(line)).toEqual({ total: 5, done: 1, failed: 0, skipped: 0, isDone: false });
    expect(atWork).toHaveLength(2);
    expect(await app.get(DeadLetters).count()).toBe(3);
  });

  it('handlers and dead letters of another store are none of its business', async () => {
    const { get, send, app } = await startHttpApp(adapter, {
      imports: [EventStoreModule.forRoot({ name: 'audit' })],
      providers: [OfAnotherStore],
      logger: new RecordingNestLogger(),
    });
    await app
      .get<{ append: (stream: string, event: object) => Promise<void> }>('EventStore:audit')
      .append('orders', { type: 't' });
    await app.get(StreamSubscriptions).whenSettled();

    expect((await get('/subscriptions')).json.subscriptions).toEqual([]);
    expect((await get('/dead-letters')).json.deadLetters).toEqual([]);
    expect((await send('DELETE', '/dead-letters/auditing:1')).status).toBe(404);
  });

  it('POST /snapshots has one written, and does not say where', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'http-snapshots-'));
    folders.push(folder);
    const { store, send } = await startHttpApp(adapter, {
      store: { engine: memoryEngine({ snapshotDirectory: folder }) },
    });
    await store.append('orders', numbered(1, 3));

    const { status, json, text } = await send('POST', '/snapshots');

    expect([status, json.events, json.streams]).toEqual([201, 3, 1]);
    expect(text).not.toContain(folder);
    expect((await store.stats()).snapshotsCreated).toBe(1);
  });
});
