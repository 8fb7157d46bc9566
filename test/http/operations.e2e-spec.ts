import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  EventStoreModule,
  memoryEngine,
  OnStreamEvent,
  StreamSubscriptions,
  type RecordedEvent,
} from 'nestjs-stream-store';
import { numbered } from '../support/events.js';
import { RecordingNestLogger } from '../support/nest-app.js';
import { ADAPTERS, startHttpApp, type Answer } from './http-app.js';

@Injectable()
class Billing {
  refuses = true;
  readonly billed: unknown[] = [];

  @OnStreamEvent('orders', { durable: 'billing / EU', retry: { attempts: 2, initialDelayMs: 1 } })
  bill({ data }: RecordedEvent): void {
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

  it('GET /dead-letters gives what could not be dealt with, without a trace of the code', async () => {
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
