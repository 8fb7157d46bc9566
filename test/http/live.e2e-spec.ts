import { describe, expect, it } from '@jest/globals';
import { EventSource } from 'eventsource';
import type { RecordedEvent } from 'nestjs-stream-store';
import { until } from '../support/collect.js';
import { dataOf, numbered } from '../support/events.js';
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
      expect(fromEnd.blocks[0]).toMatchObject({ id: '5', data: undefined, retry: '1000' });
    });
  });

  describe('a client that comes again', () => {
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
});

/** Waits for something that comes over the network. */
async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
void until;
