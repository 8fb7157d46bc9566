import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { numbered } from '../support/events.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';
import { ADAPTERS, startHttpApp } from './http-app.js';
import { SseClient } from './sse-client.js';

// Node has it ready for whoever asks while it runs.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const CLIENTS = 1_000;
const STALLED = 50;
/** What the readers get, each. */
const EVENTS = scaled(300, 300);
/** What the stalled ones would get, each: more than the buffers of two sockets of the system hold. */
const BIG_EVENTS = 60;
const BIG = 'x'.repeat(100_000);
const MIB = 2 ** 20;
const MARK = '\ndata: ';

/** A client that counts, and keeps nothing. */
class CountingClient {
  received = 0;
  isFollowing = false;
  readonly socket: Socket;

  constructor(port: number, path: string) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
    this.socket.on('error', () => undefined);
    let tail = Buffer.alloc(0);
    this.socket.on('data', (chunk: Buffer) => {
      const bytes = Buffer.concat([tail, chunk]);
      this.isFollowing ||= bytes.includes('id: ');
      for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + MARK.length)) this.received++;
      // As much as cannot hold a whole mark, and so is not counted twice.
      tail = bytes.subarray(Math.max(0, bytes.length - MARK.length + 1));
    });
  }
}

const clients: CountingClient[] = [];

afterEach(() => {
  for (const { socket } of clients.splice(0)) socket.destroy();
});

// Most of the time goes to the other end, which is in this process too.
jest.setTimeout(scaledTimeLimit(120_000));

describe.each(ADAPTERS)('on %s', (adapter) => {
  it(`serves ${CLIENTS} live clients, ${STALLED} of which take nothing, in bounded memory and without a loss`, async () => {
    const { app, store, url } = await startHttpApp(adapter, {
      http: { stallTimeout: 3_000, liveSession: 0, maxLiveClients: CLIENTS + 2 },
    });
    const ends: Socket[] = [];
    (app.getHttpServer() as Server).on('connection', (socket) => ends.push(socket));
    const { port, pathname } = new URL(url);
    const connected = async (count: number, path: string): Promise<CountingClient[]> => {
      const added = Array.from({ length: count }, () => new CountingClient(Number(port), pathname + path));
      clients.push(...added);
      await until(() => added.every(({ isFollowing }) => isFollowing));
      return added;
    };
    const stalled = await connected(STALLED, '/events');
    const besideThem = await connected(1, '/events');
    const readers = await connected(CLIENTS - STALLED, '/streams/orders/events');
    for (const { socket } of stalled) socket.pause();
    const before = memory();

    let mostWaiting = 0;
    let mostMemory = 0;
    for (let count = 1; count <= BIG_EVENTS; count++) {
      await store.append('noise', { type: 't', data: BIG });
      const { revision } = await store.append('orders', numbered(1, EVENTS / BIG_EVENTS));
      await until(() => readers.every(({ received }) => received >= revision));
      await until(() => besideThem.every(({ received }) => received >= revision + count));
      mostWaiting = Math.max(mostWaiting, ...ends.map((socket) => socket.writableLength));
      if (count % (BIG_EVENTS / 4) === 0) mostMemory = Math.max(mostMemory, memory() - before);
    }
    await until(() => ends.filter(({ destroyed }) => destroyed).length >= STALLED);

    expect(ends.filter(({ destroyed }) => destroyed)).toHaveLength(STALLED);
    expect(readers.map(({ received }) => received)).toEqual(new Array(CLIENTS - STALLED).fill(EVENTS));
    expect(mostWaiting).toBeLessThan(3 * BIG.length);
    expect(mostMemory).toBeLessThan(64 * MIB);

    const total = EVENTS + BIG_EVENTS;
    for (const { received } of stalled.slice(0, 3)) {
      const again = new SseClient(`${url}/events`, { 'last-event-id': String(received) });
      await again.until(({ ids }) => ids.at(-1) === total);
      expect(again.ids).toEqual(Array.from({ length: total - received }, (_, index) => received + 1 + index));
    }
  });
});

/** What is held, without what only waits to be collected. */
function memory(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}
