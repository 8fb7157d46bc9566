import { describe, expect, it } from '@jest/globals';
import type { EventStore, RecordedEvent } from 'nestjs-stream-store';
import { dataOf, numbered } from '../support/events.js';
import { ADAPTERS, startHttpApp, type Answer } from './http-app.js';
import { internalsOf } from '../../lib/store/store-internals.js';

const eventsOf = ({ json }: Answer): RecordedEvent[] => json.events;

/** Follows `next` until there is none. */
async function pagesOf(get: (path: string) => Promise<Answer>, path: string, first: string): Promise<Answer[]> {
  const pages: Answer[] = [];
  for (let query: unknown = first; query !== null; query = pages.at(-1)!.json.next) {
    pages.push(await get(path + (query as string)));
  }
  return pages;
}

/** Five events that happened in another order than they came. */
async function appendOutOfOrder(store: EventStore): Promise<void> {
  for (const [data, hour] of [3, 1, 2, 2, 1].entries()) {
    await store.append(`s${data % 2}`, { type: 't', data, timestamp: `2024-01-01T0${hour}:00:00Z` });
  }
}

describe.each(ADAPTERS)('on %s', (adapter) => {
  describe('GET /streams', () => {
    it('lists the streams with what is kept of each, in pages', async () => {
      const { store, get } = await startHttpApp(adapter);
      for (const stream of ['order-3', 'order-1', 'user-1', 'order-2']) await store.append(stream, numbered(1, 2));

      const pages = await pagesOf(get, '/streams', '?prefix=order-&limit=2');

      expect(pages.map(({ json }) => json.streams)).toEqual(
        JSON.parse(
          JSON.stringify([
            await store.getStreams({ prefix: 'order-', limit: 2 }),
            await store.getStreams({ prefix: 'order-', after: 'order-2' }),
          ]),
        ),
      );
      expect(pages[0].headers['content-type']).toBe('application/json; charset=utf-8');
    });

    it('has no place for the streams of the store itself', async () => {
      const { store, get } = await startHttpApp(adapter);
      await internalsOf(store).appendInternally('$own', { type: 't' });

      expect((await get('/streams')).json.streams).toEqual([]);
      expect((await get('/streams?prefix=$')).json.streams).toEqual([]);
      expect((await get('/streams/$own')).status).toBe(403);
      expect((await get('/streams/%24own/events')).status).toBe(403);
      expect((await get('/events?stream=$own')).status).toBe(403);
      expect(eventsOf(await get('/events?streams=$*'))).toEqual([]);
    });
  });

  describe('GET /streams/:id', () => {
    it('says what is kept of the stream, with its revision as ETag', async () => {
      const { store, get } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 3));

      const { status, json, headers } = await get('/streams/orders');

      expect([status, headers.etag]).toEqual([200, '"3"']);
      expect(json).toEqual(JSON.parse(JSON.stringify(await store.getStreamInfo('orders'))));
    });

    it('answers 304 to a client that knows the revision', async () => {
      const { store, get } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 3));

      const known = await get('/streams/orders', { 'if-none-match': '"2", "3"' });
      const stale = await get('/streams/orders', { 'if-none-match': '"2"' });

      expect([known.status, known.text, known.headers.etag, stale.status]).toEqual([304, '', '"3"', 200]);
    });

    it('does not know a stream that never was', async () => {
      const { get } = await startHttpApp(adapter);

      expect(await get('/streams/nope')).toMatchObject({
        status: 404,
        json: { code: 'STREAM_NOT_FOUND', streamId: 'nope' },
      });
    });
  });

  describe('GET /streams/:id/events', () => {
    it('gives events with the revision of the stream, 100 unless told otherwise', async () => {
      const { store, get } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 120));

      const { json, headers } = await get('/streams/orders/events');

      expect([json.streamId, json.revision, headers.etag]).toEqual(['orders', 120, '"120"']);
      expect(json.events).toEqual(JSON.parse(JSON.stringify(await store.readStream('orders', 0, { limit: 100 }))));
    });

    it.each([
      ['forward', [1, 2, 3, 4, 5, 6, 7]],
      ['backward', [7, 6, 5, 4, 3, 2, 1]],
    ])('goes %s from page to page, each naming the next in JSON and in Link', async (direction, data) => {
      const { store, get } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 7));

      const pages = await pagesOf(get, '/streams/orders/events', `?direction=${direction}&limit=3`);

      expect(pages.map((page) => eventsOf(page).length)).toEqual([3, 3, 1]);
      expect(dataOf(pages.flatMap(eventsOf))).toEqual(data);
      expect(pages.map(({ headers }) => headers.link)).toEqual([
        `<${String(pages[0].json.next)}>; rel="next"`,
        `<${String(pages[1].json.next)}>; rel="next"`,
        undefined,
      ]);
    });

    it('takes the types that are wanted, also as patterns', async () => {
      const { store, get } = await startHttpApp(adapter);
      await store.append(
        'orders',
        ['order.placed', 'order.paid', 'mail.sent', 'a,b&c'].map((type) => ({ type })),
      );

      const some = await get('/streams/orders/events?type=order.*&type=a%2Cb%26c&limit=2');
      const rest = await get(`/streams/orders/events${String(some.json.next)}`);

      expect([...eventsOf(some), ...eventsOf(rest)].map(({ type }) => type)).toEqual([
        'order.placed',
        'order.paid',
        'a,b&c',
      ]);
    });

    it('ends a page when it has enough bytes, after at least one event', async () => {
      const { store, get } = await startHttpApp(adapter, { http: { maxPageBytes: 2_000 } });
      const data = 'x'.repeat(700);
      await store.append('orders', [
        ...[1, 2, 3, 4].map(() => ({ type: 't', data })),
        { type: 't', data: data.repeat(10) },
      ]);

      const pages = await pagesOf(get, '/streams/orders/events', '?limit=10');

      expect(pages.map((page) => eventsOf(page).map(({ position }) => position))).toEqual([[1, 2], [3, 4], [5]]);
    });
  });

  describe('GET /streams/:id/events/:position', () => {
    it('gives one event', async () => {
      const { store, get } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 3));

      expect((await get('/streams/orders/events/2')).json).toMatchObject({ position: 2, data: 2 });
      expect(await get('/streams/orders/events/4')).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } });
      expect(await get('/streams/orders/events/0')).toMatchObject({ status: 400, json: { field: 'position' } });
      expect(await get('/streams/nope/events/1')).toMatchObject({ status: 404, json: { code: 'STREAM_NOT_FOUND' } });
    });
  });

  describe('GET /events', () => {
    it('gives the events of all streams in the order they were recorded, forward and backward', async () => {
      const { store, get } = await startHttpApp(adapter);
      await appendOutOfOrder(store);

      const forward = await pagesOf(get, '/events', '?limit=2');
      const backward = await pagesOf(get, '/events', '?limit=2&direction=backward');
      const after = await get('/events?after=3');

      expect(dataOf(forward.flatMap(eventsOf))).toEqual([0, 1, 2, 3, 4]);
      expect(dataOf(backward.flatMap(eventsOf))).toEqual([4, 3, 2, 1, 0]);
      expect(dataOf(eventsOf(after))).toEqual([3, 4]);
    });

    it('filters by stream, by a pattern of streams, and by types', async () => {
      const { store, get } = await startHttpApp(adapter);
      for (const stream of ['a*', 'ab', 'b'])
        await store.append(stream, [
          { type: 't', data: stream },
          { type: 'u', data: 0 },
        ]);

      const data = async (query: string) => dataOf(eventsOf(await get(`/events?type=t&${query}`)));

      expect(await data('stream=a*')).toEqual(['a*']);
      expect(await data('streams=a*')).toEqual(['a*', 'ab']);
      expect(await data('limit=10')).toEqual(['a*', 'ab', 'b']);
    });

    it('gives what happened in a range of times, in the order of time, both ends inclusive, page by page', async () => {
      const { store, get } = await startHttpApp(adapter);
      await appendOutOfOrder(store);

      const pages = await pagesOf(get, '/events', '?from=2024-01-01T01:00:00Z&to=2024-01-01T02:00:00Z&limit=1');
      const open = await get('/events?from=2024-01-01T02:00:00Z');
      const until = await get('/events?to=2024-01-01T01:00:00Z&stream=s1');

      expect(dataOf(pages.flatMap(eventsOf))).toEqual([1, 4, 2, 3]);
      expect(dataOf(eventsOf(open))).toEqual([2, 3, 0]);
      expect(dataOf(eventsOf(until))).toEqual([1]);
    });

    it('finds streams that no URL can have in its path', async () => {
      const { store, get } = await startHttpApp(adapter);
      for (const stream of ['.', '..', '/', '%2F', 'a/../b']) await store.append(stream, { type: 't', data: stream });

      for (const stream of ['.', '..', '/', '%2F', 'a/../b']) {
        expect(dataOf(eventsOf(await get(`/events?stream=${encodeURIComponent(stream)}`)))).toEqual([stream]);
      }
    });
  });

  describe('GET as application/x-ndjson', () => {
    const lines = { accept: 'application/x-ndjson' };
    const dataOfLines = ({ text }: Answer) =>
      dataOf(
        text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as RecordedEvent),
      );

    it('gives all events of a stream, of the log, or of a range of times, one a line', async () => {
      const { store, get } = await startHttpApp(adapter, { store: { maxEventsPerStream: 0 } });
      await store.append('orders', numbered(1, 3_000));
      await store.append('late', { type: 't', data: 0, timestamp: '2020-01-01T00:00:00Z' });

      const stream = await get('/streams/orders/events', lines);
      const log = await get('/events?after=2990', lines);
      const range = await get('/events?to=2020-12-31', lines);
      const some = await get('/streams/orders/events?direction=backward&limit=3', lines);

      expect(stream.headers['content-type']).toBe('application/x-ndjson');
      expect(dataOfLines(stream)).toEqual(Array.from({ length: 3_000 }, (_, index) => index + 1));
      expect(dataOfLines(log)).toEqual([2_991, 2_992, 2_993, 2_994, 2_995, 2_996, 2_997, 2_998, 2_999, 3_000, 0]);
      expect([dataOfLines(range), dataOfLines(some)]).toEqual([[0], [3_000, 2_999, 2_998]]);
    });

    it('answers with a problem when the reading fails at once', async () => {
      const { get } = await startHttpApp(adapter);

      expect(await get('/streams/nope/events', lines)).toMatchObject({
        status: 404,
        json: { code: 'STREAM_NOT_FOUND' },
      });
      expect(await get('/events?limit=0', lines)).toMatchObject({ status: 400, json: { field: 'limit' } });
    });

    it('ends, although others go on appending', async () => {
      const { store, get } = await startHttpApp(adapter, { store: { maxEventsPerStream: 0 } });
      await store.append('orders', numbered(1, 2_000));
      let isDone = false;
      const appending = (async () => {
        while (!isDone) {
          await store.append('orders', numbered(1, 100));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();

      const answers = await Promise.all(['/events', '/streams/orders/events'].map((path) => get(path, lines)));
      isDone = true;
      await appending;

      for (const answer of answers) expect(dataOfLines(answer).length).toBeGreaterThanOrEqual(2_000);
    });
  });

  it('answers in what the client accepts most, and says so when there is none of it', async () => {
    const { store, get } = await startHttpApp(adapter);
    await store.append('orders', numbered(1, 1));
    const typeOf = async (accept: string) => (await get('/events', { accept })).headers['content-type']!.split(';')[0];

    expect(await typeOf('*/*')).toBe('application/json');
    expect(await typeOf('text/html, application/json;q=0.5, application/x-ndjson;q=0.6')).toBe('application/x-ndjson');
    expect(await typeOf('application/*')).toBe('application/json');
    expect(await typeOf('application/json;q=0, */*;q=0.1')).toBe('application/x-ndjson');
    expect(await get('/events', { accept: 'text/html' })).toMatchObject({
      status: 406,
      json: { code: 'NOT_ACCEPTABLE' },
    });
  });
});
