import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get as httpGet, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DatabaseSync } from '@photostructure/sqlite';
import { memoryEngine } from 'nestjs-stream-store';
import type { AccessRule } from 'nestjs-stream-store/http';
import { sqliteEngine } from 'nestjs-stream-store/sqlite';
import { aroundEngine } from '../support/engines/around-engine.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { ADAPTERS, startHttpApp } from './http-app.js';

const BATCH = Array.from({ length: 500 }, () => ({ type: 't', data: 'x'.repeat(1_000) }));

const opened: IncomingMessage[] = [];
const folders: string[] = [];

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

afterEach(() => {
  for (const response of opened.splice(0)) response.destroy();
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

function openLines(url: string, headers = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpGet(url, { agent: false, headers: { accept: 'application/x-ndjson', ...headers } }, (response) => {
      opened.push(response.on('error', () => undefined));
      resolve(response);
    }).on('error', reject);
  });
}

describe.each(ADAPTERS)('on %s, a replay as lines', (adapter) => {
  /** An application with 20 000 events, about 20 MB, that counts how often its engine is read. */
  async function startLarge(failAfter = Infinity, clock?: ManualClock) {
    const reads = { count: 0 };
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'readTimeRange' && ++reads.count > failAfter) throw new Error('disk on fire at /var/lib');
      return ask();
    }, memoryEngine());
    const app = await startHttpApp(adapter, {
      store: { engine, maxEventsPerStream: 0, ...(clock && { clock }) },
      logger: new RecordingNestLogger(),
    });
    for (let batch = 0; batch < 40; batch++) await app.store.append('orders', BATCH);
    const sockets: Socket[] = [];
    (app.app.getHttpServer() as Server).on('connection', (socket) => sockets.push(socket));
    return { ...app, reads, sockets };
  }

  it('is read as fast as the client takes it, and no faster', async () => {
    const { url, reads, sockets } = await startLarge();
    const response = await openLines(`${url}/events?from=2000-01-01`);
    response.pause();
    await until(() => sockets[0].writableNeedDrain);
    await stands(() => reads.count);
    const readWhileStalled = reads.count;
    const waiting = sockets[0].writableLength;

    let lines = 0;
    for await (const chunk of response.setEncoding('utf8')) lines += (chunk as string).split('\n').length - 1;

    expect(lines).toBe(20_000);
    expect(readWhileStalled).toBeLessThan(reads.count);
    expect(waiting).toBeLessThan(2_000_000);
  });

  it('is given up when the client leaves', async () => {
    const { url, reads, logger } = await startLarge();
    const response = await openLines(`${url}/events?from=2000-01-01`);

    response.destroy();
    await stands(() => reads.count);

    expect(reads.count).toBeLessThan(41);
    expect(logger.errors).toEqual([]);
  });

  it('is cut off when reading fails on the way, so that no client takes a part for the whole', async () => {
    const { url, logger } = await startLarge(2);
    const response = await openLines(`${url}/events?from=2000-01-01`);

    const outcome = await new Promise<string>((resolve) => {
      response.on('end', () => resolve('complete'));
      response.on('error', () => resolve('cut off'));
      response.resume();
    });

    expect(outcome).toBe('cut off');
    expect(logger.errors.map(({ message }) => message)).toEqual([expect.stringContaining('disk on fire')]);
  });

  describe.each(['/events', '/streams/orders/events', '/events?from=2000-01-01'])('of %s', (path) => {
    it('is cut off when the client has taken nothing for too long', async () => {
      const clock = new ManualClock();
      const { url, sockets, logger } = await startLarge(Infinity, clock);
      const response = await openLines(`${url}${path}`);
      response.pause();
      await until(() => sockets[0].writableNeedDrain);
      await stands(() => sockets[0].bytesWritten);

      await clock.advance(29_000);
      expect(sockets[0].destroyed).toBe(false);
      await clock.advance(1_000);

      await until(() => sockets[0].destroyed);
      expect(logger.errors).toEqual([]);
    });

    it('goes on for a client that takes some of it now and then', async () => {
      const clock = new ManualClock();
      const { url, sockets } = await startLarge(Infinity, clock);
      const response = await openLines(`${url}${path}`);
      response.pause();
      for (let round = 0; round < 4; round++) {
        await until(() => sockets[0].writableNeedDrain);
        await stands(() => sockets[0].bytesWritten);
        const before = sockets[0].bytesWritten;
        await clock.advance(29_000);
        response.resume();
        await until(() => sockets[0].bytesWritten > before + 200_000);
        response.pause();
      }

      let length = 0;
      for await (const chunk of response.setEncoding('utf8')) length += (chunk as string).length;
      expect(response.complete).toBe(true);
      expect(length).toBeGreaterThan(0);
    });
  });

  it('has a place for so many clients, each until it has left or has taken all', async () => {
    const { app, store, url, get } = await startHttpApp(adapter, { http: { maxLineClients: 2 } });
    for (let batch = 0; batch < 20; batch++) await store.append('orders', BATCH);
    const lines = { accept: 'application/x-ndjson' };
    const [first] = await Promise.all([openLines(`${url}/events`), openLines(`${url}/streams/orders/events`)]);

    for (const path of ['/events', '/streams/orders/events', '/events?from=2000-01-01']) {
      const { status, json, headers } = await get(path, lines);
      expect([status, json.code, headers['retry-after']]).toEqual([503, 'SERVICE_UNAVAILABLE', '1']);
    }
    expect((await get('/events?limit=1')).status).toBe(200);

    first.destroy();
    await until(async () => (await get('/events?limit=1', lines)).status === 200);
    // What is refused, is over at once or fails keeps no place.
    for (let round = 0; round < 5; round++) {
      expect((await get('/streams/missing/events', lines)).status).toBe(404);
      expect((await get('/events?limit=0', lines)).status).toBe(400);
      await until(async () => (await get('/events?limit=3', lines)).status === 200);
    }
    await app.close();
  });

  it('has a place for so many clients of a user, where the rule of access says who it is', async () => {
    const access: AccessRule = ({ headers }: { headers: Record<string, string> }) => ({
      ...{ canRead: () => true, canWrite: () => true, isOperator: true },
      user: headers['x-user'],
    });
    const { store, url, get } = await startHttpApp(adapter, { http: { access, maxLineClientsPerUser: 1 } });
    for (let batch = 0; batch < 20; batch++) await store.append('orders', BATCH);
    const as = (user: string) => ({ 'x-user': user, accept: 'application/x-ndjson' });
    const first = await openLines(`${url}/events`, as('ada'));

    const refused = await get('/streams/orders/events', as('ada'));
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    expect(refused.text).toContain('You take events as lines 1 times');
    expect((await get('/events?limit=1', as('grace'))).status).toBe(200);
    first.destroy();
    await until(async () => (await get('/events?limit=1', as('ada'))).status === 200);
  });

  it('that nobody takes holds a page of the events, however large they are', async () => {
    const { store, url } = await startHttpApp(adapter, {
      store: {
        engine: sqliteEngine({ file: join(folder(), 'events.db'), driver: DatabaseSync, synchronous: 'NORMAL' }),
      },
    });
    for (let n = 0; n < 60; n++) await store.append('orders', { type: 't', data: 'x'.repeat(1_000_000) });
    const before = heldMegabytes();

    for (const path of ['/events', '/streams/orders/events', '/events?from=2000-01-01']) {
      const response = await openLines(`${url}${path}`);
      response.pause();
    }
    await stands(() => heldMegabytes());

    expect(heldMegabytes() - before).toBeLessThan(3 * 32);
  });

  it('of a page is cut off as well when nobody takes it', async () => {
    const { url, store, app } = await startHttpApp(adapter, { http: { maxPageBytes: 2 ** 25, stallTimeout: 200 } });
    for (let n = 0; n < 30; n++) await store.append('orders', { type: 't', data: 'x'.repeat(1_000_000) });
    const sockets: Socket[] = [];
    (app.getHttpServer() as Server).on('connection', (socket) => sockets.push(socket));

    const paths = ['/events', '/streams/orders/events', '/events?from=2000-01-01'];
    for (const path of paths) (await openLines(`${url}${path}`, { accept: 'application/json' })).pause();

    await until(() => sockets.length === paths.length && sockets.every(({ destroyed }) => destroyed));
  });

  it('of a page leaves the connection as it was for what comes after it', async () => {
    const { url, app } = await startHttpApp(adapter, { http: { stallTimeout: 200 } });
    const server = app.getHttpServer() as Server;
    server.keepAliveTimeout = 0;
    const sockets: Socket[] = [];
    server.on('connection', (socket) => sockets.push(socket));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });

    for (let round = 0; round < 2; round++) {
      await new Promise<void>((resolve, reject) => {
        httpGet(`${url}/events`, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject);
      });
    }
    agent.destroy();

    expect(sockets.map(({ timeout }) => timeout ?? 0)).toEqual([0]);
  });

  it('answers HEAD without reading it all', async () => {
    const { send, reads } = await startLarge();

    const { status, text } = await send('HEAD', '/events?from=2000-01-01', {
      headers: { accept: 'application/x-ndjson' },
    });

    expect([status, text]).toEqual([200, '']);
    expect(reads.count).toBe(1);
  });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'lines-'));
  folders.push(path);
  return path;
}

/** After everything that nobody needs is gone. */
function heldMegabytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return Math.round((heapUsed + external) / 2 ** 20);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Waits until a number has stopped to grow. */
async function stands(count: () => number): Promise<void> {
  for (let seen = -1, times = 0; times < 10; times = count() === seen ? times + 1 : 0) {
    seen = count();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
