import { get as httpGet, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { memoryEngine } from 'nestjs-stream-store';
import { aroundEngine } from '../support/around-engine.js';
import { RecordingNestLogger } from '../support/nest-app.js';
import { ADAPTERS, startHttpApp } from './http-app.js';

const BATCH = Array.from({ length: 500 }, () => ({ type: 't', data: 'x'.repeat(1_000) }));

const opened: IncomingMessage[] = [];

afterEach(() => {
  for (const response of opened.splice(0)) response.destroy();
});

function openLines(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpGet(url, { agent: false, headers: { accept: 'application/x-ndjson' } }, (response) => {
      opened.push(response.on('error', () => undefined));
      resolve(response);
    }).on('error', reject);
  });
}

describe.each(ADAPTERS)('on %s, a replay as lines', (adapter) => {
  /** An application with 20 000 events, about 20 MB, that counts how often its engine is read. */
  async function startLarge(failAfter = Infinity) {
    const reads = { count: 0 };
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'readTimeRange' && ++reads.count > failAfter) throw new Error('disk on fire at /var/lib');
      return ask();
    }, memoryEngine());
    const app = await startHttpApp(adapter, {
      store: { engine, maxEventsPerStream: 0 },
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

  it('answers HEAD without reading it all', async () => {
    const { send, reads } = await startLarge();

    const { status, text } = await send('HEAD', '/events?from=2000-01-01', {
      headers: { accept: 'application/x-ndjson' },
    });

    expect([status, text]).toEqual([200, '']);
    expect(reads.count).toBe(1);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Waits until a number has stopped to grow. */
async function stands(count: () => number): Promise<void> {
  for (let seen = -1, times = 0; times < 10; times = count() === seen ? times + 1 : 0) {
    seen = count();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
