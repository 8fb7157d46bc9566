import { describe, expect, it } from '@jest/globals';
import { dataOf, numbered } from '../support/events.js';
import { ADAPTERS, startHttpApp } from './http-app.js';

const EVENTS = '/streams/orders/events';

describe.each(ADAPTERS)('on %s, POST /streams/:id/events', (adapter) => {
  it('appends one event, and answers with where it is, and with the revision as ETag', async () => {
    const { store, post } = await startHttpApp(adapter);
    await store.append('orders', numbered(1, 2));

    const event = {
      type: 'paid',
      data: { euros: 5 },
      id: 'e-1',
      timestamp: '2024-01-01T00:00:00Z',
      metadata: { by: 'ada' },
    };
    const { status, headers, json } = await post(EVENTS, event);

    expect([status, headers.etag]).toEqual([201, '"3"']);
    expect(json).toEqual({ streamId: 'orders', revision: 3, firstPosition: 3, globalPosition: 3, count: 1 });
    const [kept] = await store.readStream('orders', 2);
    expect(JSON.parse(JSON.stringify(kept))).toMatchObject({ ...event, timestamp: '2024-01-01T00:00:00.000Z' });
  });

  it('appends a batch whole or not at all', async () => {
    const { store, post } = await startHttpApp(adapter, { store: { maxEventsPerStream: 3 } });

    const kept = await post(EVENTS, numbered(1, 2));
    const refused = await post(EVENTS, numbered(3, 4));
    const empty = await post(EVENTS, []);

    expect([kept.status, kept.json.count, kept.json.firstPosition]).toEqual([201, 2, 1]);
    expect(refused).toMatchObject({
      status: 409,
      json: { code: 'STREAM_LIMIT_REACHED', limit: 'maxEventsPerStream', maximum: 3, streamId: 'orders' },
    });
    expect([empty.status, empty.headers.etag]).toEqual([200, '"2"']);
    expect(dataOf(await store.readStream('orders'))).toEqual([1, 2]);
  });

  describe('with a condition', () => {
    it('appends after the revision of If-Match only, and says in the problem where the stream is', async () => {
      const { store, post, get } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 2));
      const { etag } = (await get('/streams/orders')).headers;

      const won = await post(EVENTS, { type: 't' }, { 'if-match': etag! });
      const lost = await post(EVENTS, { type: 't' }, { 'if-match': etag! });

      expect([won.status, won.headers.etag]).toEqual([201, '"3"']);
      expect(lost).toMatchObject({
        status: 412,
        json: { code: 'WRONG_EXPECTED_REVISION', streamId: 'orders', expected: 2, actual: 3 },
      });
    });

    it('lets one of many writers win', async () => {
      const { post } = await startHttpApp(adapter);

      const answers = await Promise.all(numbered(1, 20).map((event) => post(EVENTS, event, { 'if-match': '"0"' })));

      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...new Array<number>(19).fill(412)]);
    });

    it('makes a stream with If-None-Match: *, and wants one that exists with If-Match: *', async () => {
      const { post } = await startHttpApp(adapter);

      expect((await post(EVENTS, { type: 't' }, { 'if-match': '*' })).status).toBe(412);
      expect((await post(EVENTS, { type: 't' }, { 'if-none-match': '*' })).status).toBe(201);
      expect((await post(EVENTS, { type: 't' }, { 'if-none-match': '*' })).status).toBe(412);
      expect((await post(EVENTS, { type: 't' }, { 'if-match': '*' })).status).toBe(201);
    });

    it('answers a retry with the same ids as the first time, and stores nothing twice', async () => {
      const { store, post } = await startHttpApp(adapter);
      const append = () =>
        post(
          EVENTS,
          [
            { type: 't', id: 'one' },
            { type: 't', id: 'two' },
          ],
          { 'if-none-match': '*' },
        );

      const [first, again] = [await append(), await append()];

      expect([again.status, again.text]).toEqual([first.status, first.text]);
      expect((await store.stats()).totalEvents).toBe(2);
    });

    it.each([
      ['if-match', '7'],
      ['if-match', 'W/"7"'],
      ['if-match', '"7", "8"'],
      ['if-match', '"-1"'],
      ['if-match', '"99999999999999999"'],
      ['if-match', ''],
      ['if-none-match', '"7"'],
    ])('refuses %s: %s', async (name, value) => {
      const { store, post } = await startHttpApp(adapter);

      const { status, json } = await post(EVENTS, { type: 't' }, { [name]: value });

      expect([status, String(json.field).toLowerCase()]).toEqual([400, name]);
      expect((await store.stats()).totalEvents).toBe(0);
    });

    it('refuses two conditions', async () => {
      const { post } = await startHttpApp(adapter);

      const { status, json } = await post(EVENTS, { type: 't' }, { 'if-match': '*', 'if-none-match': '*' });

      expect([status, json.field]).toEqual([400, 'If-None-Match']);
    });
  });

  it.each([
    ['a member that nobody reads', { type: 't', dat: 1 }, 'dat'],
    ['one in a batch', [{ type: 't' }, { type: 't', streamId: 's' }], 'events[1].streamId'],
    ['no type', { data: 1 }, 'type'],
    ['a type that is none', { type: 7 }, 'type'],
    ['a type with a control character', [{ type: 'a\u0000b' }], 'events[0].type'],
    ['a time that is none', { type: 't', timestamp: 'yesterday' }, 'timestamp'],
    ['metadata that are no object', { type: 't', metadata: [] }, 'metadata'],
    ['half of a surrogate pair', '{"type":"t","data":{"a":["\\ud800"]}}', 'data.a[0]'],
    ['129 levels', `{"type":"t","data":${'['.repeat(129)}${']'.repeat(129)}}`, 'data'.concat('[0]'.repeat(128))],
    [
      '10 000 levels',
      `{"type":"t","data":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      'data'.concat('[0]'.repeat(128)),
    ],
    ['a text', '"hello"', 'event'],
    ['null', 'null', 'event'],
    ['an array in an array', [[{ type: 't' }]], 'events[0]'],
    ['no JSON', '{"type":', 'body'],
    ['nothing', '', 'body'],
  ])('refuses %s, and names it', async (_what, body, field) => {
    const { store, post } = await startHttpApp(adapter);

    const { status, json } = await post(EVENTS, body);

    // The parser of Express takes no JSON but objects and arrays.
    const ofExpress: Record<string, string> = { '"hello"': 'body', null: 'body' };
    const expected = (adapter === 'Express' && ofExpress[body as string]) || field;
    expect([status, json.field]).toEqual([400, expected]);
    expect((await store.stats()).totalEvents).toBe(0);
  });

  it('takes names and keys that are special elsewhere for what they are', async () => {
    const { store, post } = await startHttpApp(adapter);
    const names = ['__proto__', 'constructor', 'a/b', '%2F', '../x', '*', 'é', '😀', 'a b', 'x'.repeat(512)];

    for (const name of names) {
      const { status } = await post(`/streams/${encodeURIComponent(name)}/events`, {
        type: name,
        data: { constructor: name },
      });
      expect([name, status]).toEqual([name, 201]);
    }

    const kept = await store.readAll();
    expect(kept.events.map(({ streamId }) => streamId)).toEqual(names);
    expect(kept.events.map(({ type }) => type)).toEqual(names);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('lets no body change the prototype of anything', async () => {
    const { store, post } = await startHttpApp(adapter);

    const { status } = await post(
      EVENTS,
      '{"type":"t","data":{"__proto__":{"polluted":1}},"metadata":{"__proto__":{"polluted":1}}}',
    );

    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    // Fastify refuses such a body, unless it is told to let it pass.
    expect(status).toBe(adapter === 'Fastify' ? 400 : 201);
    if (status === 201) {
      const [event] = await store.readStream('orders');
      expect(Object.hasOwn(event.data as object, '__proto__')).toBe(true);
    }
  });

  it('appends to no stream of the store itself', async () => {
    const { store, post } = await startHttpApp(adapter);

    expect((await post('/streams/$own/events', { type: 't' })).status).toBe(403);
    expect((await store.stats()).totalEvents).toBe(0);
  });
});
