import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { EventSource } from 'eventsource';
import type { RecordedEvent } from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { ADAPTERS, startHttpApp } from './http-app.js';
import { cuttableLine, SseClient } from './sse-client.js';

describe.each(ADAPTERS)('on %s, following events live', (adapter) => {
  describe('a stream', () => {
    it('gives its history and then what is appended, with positions as ids', async () => {
      const { store, url } = await startHttpApp(adapter);
      await store.append('other', numbered(8, 9));
      await store.append('orders', numbered(1, 2));

      const client = new SseClient(`${url}/streams/orders/events`);
      await client.received(2);
      await store.append('other', numbered(10, 10));
      await store.append('orders', numbered(3, 4));
      await client.received(4);

      expect(dataOf(client.events)).toEqual([1, 2, 3, 4]);
      expect(client.ids).toEqual([1, 2, 3, 4]);
      expect(client.events).toEqual(JSON.parse(JSON.stringify(await store.readStream('orders'))));
    });

    it('is waited for when it does not exist yet', async () => {
      const { store, url } = await startHttpApp(adapter);
      const client = await new SseClient(`${url}/streams/orders/events?type=paid`).opened();

      await store.append('orders', [{ type: 'placed' }, { type: 'paid' }]);
      await client.received(1);

      expect(client.ids).toEqual([2]);
    });
  });

  describe('the log', () => {
    it('gives all streams, those of a pattern, or a stream whose name is a pattern, with global positions as ids', async () => {
      const { store, url } = await startHttpApp(adapter);
      for (const stream of ['a', 'order-1', 'order-*', 'order-2'])
        await store.append(stream, { type: 't', data: stream });
      const clients = ['', '?streams=order-*', '?stream=order-*', '?streams=*&type=nothing'].map(
        (query) => new SseClient(`${url}/events${query}`),
      );
      const [all, pattern, one, none] = clients;

      await Promise.all([all.received(4), pattern.received(3), one.received(1), none.opened()]);
      for (const stream of ['a', 'order-1', 'order-*']) await store.append(stream, { type: 't', data: stream });
      await Promise.all([all.received(7), pattern.received(5), one.received(2)]);

      expect(all.ids).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(pattern.ids).toEqual([2, 3, 4, 6, 7]);
      expect(one.ids).toEqual([3, 7]);
      expect(none.events).toEqual([]);
    });

    it('begins at the end with after=end, and after a position with after=<position>', async () => {
      const { store, url } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 5));
      const fromEnd = await new SseClient(`${url}/events?after=end`).opened();
      const fromThree = await new SseClient(`${url}/events?after=3`).opened();

      await store.append('orders', numbered(6, 6));
      await Promise.all([fromEnd.received(1), fromThree.received(3)]);

      expect([fromEnd.ids, fromThree.ids]).toEqual([[6], [4, 5, 6]]);
      expect(fromEnd.blocks[0]).toMatchObject({ id: expect.stringMatching(/^5-/), data: undefined, retry: '1000' });
    });
  });

  describe('a client that reconnects', () => {
    it('goes on after the id it names, whatever the query says', async () => {
      const { store, url } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 5));

      const client = new SseClient(`${url}/streams/orders/events?after=end`, { 'last-event-id': '3' });
      await client.received(2);

      expect(client.ids).toEqual([4, 5]);
    });

    it('misses nothing and gets nothing twice when an EventSource is cut off again and again', async () => {
      const { store, url, origin } = await startHttpApp(adapter);
      const line = await cuttableLine(origin);
      const source = new EventSource(url.replace(origin, line.origin) + '/events?streams=order-*');
      const received: RecordedEvent[] = [];
      source.addEventListener('message', ({ data }) => received.push(JSON.parse(data as string) as RecordedEvent));
      const reached = (count: number) => waitFor(() => received.length >= count);

      for (let round = 0; round < 3; round++) {
        await store.append('order-1', numbered(10 * round + 1, 10 * round + 5));
        await reached(10 * round + 5);
        line.cut();
        await store.append('order-1', numbered(10 * round + 6, 10 * round + 10));
        await reached(10 * round + 10);
      }
      source.close();

      expect(dataOf(received)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
      expect(line.connections).toBe(4);
    });

    it('misses nothing and gets nothing twice when it is cut anywhere, while others append', async () => {
      const { store, url, origin } = await startHttpApp(adapter);
      const line = await cuttableLine(origin);
      const total = 2_000;
      let appended = 0;
      const append = async (): Promise<void> => {
        while (appended < total) {
          await store.append('orders', numbered(appended + 1, appended + 20));
          appended += 20;
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      };
      const appending = append();
      const received: number[] = [];
      let lastEventId: string | undefined;
      for (let round = 1; received.length < total; round++) {
        const headers = lastEventId === undefined ? undefined : { 'last-event-id': lastEventId };
        const client = new SseClient(url.replace(origin, line.origin) + '/events', headers);
        const bytes = (round * 7_919) % 30_000;
        await client.until(({ text, events }) => text.length > bytes || received.length + events.length >= total);
        line.cut();
        await client.ended();
        received.push(...client.ids);
        lastEventId = client.lastEventId ?? lastEventId;
      }
      await appending;

      expect(received).toEqual(Array.from({ length: total }, (_, index) => index + 1));
    });
  });

  describe('a client that is slow', () => {
    it('holds no more than a piece in memory, delays nobody, and gets everything in the end', async () => {
      const { store, url, app } = await startHttpApp(adapter, { store: { maxEventsPerStream: 0 } });
      const sockets = watchedSockets(app);
      const slow = await new SseClient(`${url}/streams/orders/events`).opened();
      const [slowSocket] = sockets;
      const fast = await new SseClient(`${url}/streams/orders/events`).opened();
      slow.stall();

      let most = 0;
      const padding = 'x'.repeat(1_000);
      for (let round = 0; round < 40; round++) {
        await store.append(
          'orders',
          Array.from({ length: 500 }, () => ({ type: 't', data: padding })),
        );
        await fast.received(500 * (round + 1));
        most = Math.max(most, slowSocket.writableLength);
      }
      const receivedWhileStalled = slow.events.length;
      slow.resume();
      await slow.received(20_000);

      expect(receivedWhileStalled).toBeLessThan(20_000);
      expect(most).toBeLessThan(256 * 1_024);
      expect(slow.ids).toEqual(Array.from({ length: 20_000 }, (_, index) => index + 1));
    });

    it('is cut off when it has taken nothing for too long, and another one is not', async () => {
      const { store, url, app } = await startHttpApp(adapter, { http: { stallTimeout: 300, heartbeatInterval: 100 } });
      const sockets = watchedSockets(app);
      const stalled = await new SseClient(`${url}/events`).opened();
      stalled.stall();
      const other = await new SseClient(`${url}/events`).opened();

      const big = { type: 't', data: 'x'.repeat(500_000) };
      for (let count = 0; count < 20 && !sockets[0].destroyed; count++) {
        await store.append('orders', big);
        await waitFor(() => sockets[0].writableLength > 0 || other.events.length > count);
      }
      await waitFor(() => sockets[0].destroyed);

      await store.append('orders', { type: 'last' });
      await other.until(({ events }) => events.at(-1)?.type === 'last');
      expect(sockets[1].destroyed).toBe(false);
    });
  });

  describe('a client that waits', () => {
    it('is sent a sign of life, with the place that everything which is not for it has come to', async () => {
      const clock = new ManualClock();
      const { store, url } = await startHttpApp(adapter, { store: { clock } });
      const client = await new SseClient(`${url}/events?type=never`).opened();
      await store.append('orders', numbered(1, 7));

      await clock.advance(15_000);
      await client.until(({ blocks }) => blocks.some(({ isComment }) => isComment));

      expect(client.blocks.at(-1)).toMatchObject({ id: expect.stringMatching(/^7-/), data: undefined });
    });

    it('has to reconnect after a minute, and goes on where it was', async () => {
      const clock = new ManualClock();
      const { store, url } = await startHttpApp(adapter, { store: { clock } });
      await store.append('orders', numbered(1, 3));
      const client = await new SseClient(`${url}/events`).received(3);

      await clock.advance(60_000);
      await client.ended();
      await store.append('orders', numbered(4, 5));
      const again = await new SseClient(`${url}/events`, { 'last-event-id': client.lastEventId! }).received(2);

      expect(dataOf(again.events)).toEqual([4, 5]);
    });

    it('may stay for ever with a liveSession of 0', async () => {
      const clock = new ManualClock();
      const { store, url } = await startHttpApp(adapter, { store: { clock }, http: { liveSession: 0 } });
      const client = await new SseClient(`${url}/events`).opened();

      await clock.advance(3_600_000);
      await store.append('orders', numbered(1, 1));
      await client.received(1);

      expect(client.hasEnded).toBe(false);
    });
  });

  describe('says so', () => {
    it('when retention has removed what a client comes for', async () => {
      const clock = new ManualClock();
      const { store, url } = await startHttpApp(adapter, { store: { clock, retentionDuration: '1h' } });
      await store.append('orders', numbered(1, 5));
      await clock.advance(3_600_001);
      await store.append('orders', numbered(6, 6));

      const client = await new SseClient(`${url}/events`, { 'last-event-id': '2' }).received(1);

      const gap = client.blocks.find(({ event }) => event === 'gap');
      expect(gap).toMatchObject({ id: '5', data: '{"after":2,"trimmedTo":5}' });
      expect(dataOf(client.events)).toEqual([6]);
    });

    it('when retention has passed a client whose connection takes nothing', async () => {
      const clock = new ManualClock();
      const { store, url, app } = await startHttpApp(adapter, {
        store: { clock, retentionDuration: '1s' },
        http: { stallTimeout: '1h', liveSession: 0 },
      });
      const sockets = watchedSockets(app);
      const client = await new SseClient(`${url}/events`).opened();
      client.stall();
      const big = { type: 't', data: 'x'.repeat(500_000) };
      while (sockets[0].writableLength === 0) {
        await store.append('orders', big);
        await settled();
      }
      // More than is read at a time, so not all of it waits for the client outside of the store.
      for (let batch = 0; batch < 3; batch++) await store.append('orders', numbered(1, 600));
      await clock.advance(2_000);
      await store.append('orders', { type: 'last' });
      client.resume();

      await client.until(({ events }) => events.at(-1)?.type === 'last');

      const { totalEvents } = await store.stats();
      expect(totalEvents).toBe(1);
      expect(client.blocks.some(({ event }) => event === 'gap')).toBe(true);
    });

    it('when the log ends before the last event of a client, as after a restart without it, and begins anew', async () => {
      const { store, url } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 2));

      const client = await new SseClient(`${url}/events`, { 'last-event-id': '500' }).received(2);

      const reset = client.blocks.find(({ event }) => event === 'reset');
      expect(reset).toMatchObject({ data: '{"after":500,"head":2}' });
      expect(client.ids).toEqual([1, 2]);
    });

    it.each(['/events', '/streams/orders/events', '/events?type=none'])(
      'when the log has grown past the last event of a client of %s, but has another event there',
      async (path) => {
        const before = await startHttpApp(adapter);
        await before.store.append('orders', numbered(1, 3));
        const first = await new SseClient(before.url + path).opened();
        if (path.includes('none')) await first.until(({ lastEventId }) => lastEventId!.startsWith('3'));
        else await first.received(3);
        // As an application with an engine that forgets, after a deployment.
        const { store, url } = await startHttpApp(adapter);
        await store.append('orders', numbered(11, 15));

        const client = new SseClient(url + path, { 'last-event-id': first.lastEventId! });
        await client.until(({ blocks }) => blocks.some(({ event }) => event === 'reset'));

        expect(client.blocks.find(({ event }) => event === 'reset')).toMatchObject({ data: '{"after":3,"head":5}' });
        if (path.includes('none')) return;
        await client.received(5);
        expect(client.ids).toEqual([1, 2, 3, 4, 5]);
      },
    );

    it('and goes on behind its last event when that is as it was, with or without what tells it', async () => {
      const { store, url } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 3));
      const first = await new SseClient(`${url}/events`).received(2);
      const id = first.blocks.find(({ data }) => data?.includes('"position":2'))!.id!;

      const [marked, plain] = [id, '2'].map((last) => new SseClient(`${url}/events`, { 'last-event-id': last }));

      expect(id).toMatch(/^2-[0-9a-z]{7}$/);
      for (const client of [marked, plain]) expect((await client.received(1)).ids).toEqual([3]);
    });
  });

  it('has each event written once, however many clients follow it, and whatever they follow', async () => {
    let written = 0;
    const counted = (event: RecordedEvent): RecordedEvent => ({ ...event, toJSON: () => (written++, event) }) as never;
    const engine = aroundEngine(async (verb, ask) => {
      const answer = await ask();
      if (verb !== 'readAll' && verb !== 'readStream') return answer;
      const { events } = answer as { events: RecordedEvent[] };
      return { ...(answer as object), events: events.map(counted) };
    });
    const { store, url } = await startHttpApp(adapter, { store: { engine } });
    const paths = ['/events', '/events?streams=order-*', '/events?type=counted', '/streams/order-1/events'];
    const clients = await Promise.all(
      Array.from({ length: 40 }, (_, index) => new SseClient(url + paths[index % paths.length]).opened()),
    );

    await store.append('order-1', numbered(1, 25));
    await Promise.all(clients.map((client) => client.received(25)));

    expect(new Set(clients.map(({ events }) => dataOf(events).join())).size).toBe(1);
    expect(written).toBe(25);
  });

  it('refuses a client more than may be, and takes it when another one has left', async () => {
    const { get, url } = await startHttpApp(adapter, { http: { maxLiveClients: 2 } });
    const clients = await Promise.all([1, 2].map(() => new SseClient(`${url}/events`).opened()));

    const refused = await get('/events', { accept: 'text/event-stream' });
    clients[0].close();
    await waitFor(async () => (await get('/stats')).json.liveClients === 1);
    await new SseClient(`${url}/events`).opened();

    // Every status but 200 would be the last thing that an EventSource hears.
    expect([refused.status, refused.headers['content-type']]).toEqual([200, 'text/event-stream']);
    expect(refused.text).toMatch(/^: There are 2 live clients, the limit. Retry later\.\nretry: [2-5]\d{3}\n\n$/);
  });

  it('answers HEAD with the headers alone', async () => {
    const { send } = await startHttpApp(adapter);

    const { status, headers, text } = await send('HEAD', '/events', { headers: { accept: 'text/event-stream' } });

    expect([status, headers['content-type'], text]).toEqual([200, 'text/event-stream', '']);
  });

  it('does not hold up the end of the application, with clients that wait, read, and are stalled', async () => {
    const { app, store, url } = await startHttpApp(adapter, { store: { maxEventsPerStream: 0 } });
    const padding = 'x'.repeat(1_000);
    for (let round = 0; round < 20; round++) {
      await store.append(
        'orders',
        Array.from({ length: 1_000 }, () => ({ type: 't', data: padding })),
      );
    }
    const waiting = await new SseClient(`${url}/events?after=end`).opened();
    const stalled = await new SseClient(`${url}/events`).opened();
    stalled.stall();
    const lines = new SseClient(`${url}/events`, { accept: 'application/x-ndjson' });
    await lines.until(({ text }) => text.length > 0);
    lines.stall();

    const begin = performance.now();
    await app.close();

    expect(performance.now() - begin).toBeLessThan(5_000);
    await waiting.ended();
    expect(waiting.text).not.toContain('error');
  });

  it('leaves no subscription behind when its clients have gone', async () => {
    const { store, url } = await startHttpApp(adapter);
    await store.append('orders', numbered(1, 5));

    for (let round = 0; round < 20; round++) {
      const clients = await Promise.all(
        ['/events', '/events?streams=o*', '/streams/orders/events', '/streams/none/events'].map((path) =>
          new SseClient(url + path).opened(),
        ),
      );
      clients.forEach((client) => client.close());
    }
    await waitFor(async () => (await store.stats()).subscriptionsActive === 0);
  });
});

/** Waits for something that comes over the network. */
async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The sockets of a server, in the order in which clients have come. */
function watchedSockets(app: INestApplication): Socket[] {
  const sockets: Socket[] = [];
  (app.getHttpServer() as Server).on('connection', (socket) => sockets.push(socket));
  return sockets;
}
