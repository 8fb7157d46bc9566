import { describe, expect, it } from '@jest/globals';
import type { CanActivate } from '@nestjs/common';
import fc from 'fast-check';
import { numbered } from '../support/events.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { scaled } from '../support/scale.js';
import { ADAPTERS, startHttpApp } from './http-app.js';

const nobody: CanActivate = { canActivate: () => false };

/** Ways to write a path that lead past a check that only looks at it. */
const PATHS = [
  ...['/%65vent-store/streams', '/event-store/%73treams', '/event%2Dstore/streams', '/event%2dstore%2fstreams'],
  ...['//event-store/streams', '/event-store//streams', '/./event-store/streams', '/x/../event-store/streams'],
  ...[
    '/event-store/streams/',
    '/event-store/streams//',
    '/event-store/streams/.',
    '/event-store/streams;x=1',
    '/event-store;/streams',
  ],
  ...[
    '/EVENT-STORE/streams',
    '/event-store/STREAMS',
    '/event-store/streams%20',
    '/event-store/streams%00',
    '/event-store/streams%3f',
  ],
  ...[
    '/event-store/streams#x',
    '/event-store/streams?',
    '/event-store/streams?%00',
    '/event-store/streams%2f',
    '/event-store\\streams',
  ],
  ...[
    '/event-store/%2e%2e/event-store/streams',
    '/event-store/streams/%2e%2e/orders',
    '/event-store/streams/..%2forders',
  ],
  ...[
    '/event-store/streams/orders%2fevents',
    '/event-store/streams/orders/%65vents',
    '/event-store/streams/orders/events/',
  ],
  ...[
    '/event-store/streams/orders/events/%31',
    '/event-store/events/',
    '/event-store/events%2f',
    '/event-store/%65vents?limit=1',
  ],
  ...[
    '/event-store/stats/',
    '/event-store/%73tats',
    '/event-store/subscriptions/',
    '/event-store/dead-letters/',
    '/event-store/page',
  ],
  ...[
    '/event-store/page/',
    '/event-store/page/index.html',
    '/event-store/page/%69ndex.html',
    '/event-store/page/..%2findex.html',
  ],
  ...[
    'http://other.test/event-store/streams',
    '/event-store/streams%252f',
    '/event-store/streams/%c0%af',
    '/event-store/streams/%ff',
  ],
];

/** What a URL can hold is sent as it is, as nobody who uses a library would. */
const asSent = (text: string): string => (/^[!-~]*$/.test(text) ? text.replaceAll('#', '') : encodeURIComponent(text));

describe.each(ADAPTERS)('on %s', (adapter) => {
  it('no way to write a path, and no method, leads past the guard', async () => {
    const { store, send, origin } = await startHttpApp(adapter, { http: { guards: [nobody], page: true } });
    await store.append('orders', numbered(1, 3));
    expect(PATHS.length).toBeGreaterThanOrEqual(40);

    for (const path of PATHS) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        // As it is: the origin is cut off again by the client of the test.
        const { status, text } = await send(method, path.startsWith('http') ? path : origin + path);
        expect([method, path, status < 300 && text.includes('orders')]).toEqual([method, path, false]);
        if (method !== 'OPTIONS') expect([method, path, status]).not.toEqual([method, path, 200]);
      }
    }
  });

  it('names in paths arrive as they were meant, whatever they are made of', async () => {
    const { store, get, post } = await startHttpApp(adapter);
    const names = [
      '..%2f',
      '%2e%2e',
      '%252F',
      'a%00b'.replace('%00', ''),
      '__proto__',
      '..',
      'x/../y',
      '?a=b',
      '#',
      'a+b',
      'ä%',
      '\u{1f600}',
    ];

    for (const name of names) {
      // A segment of two dots has another meaning than the name, on the way if not at the end of it.
      const answer = await post(`/streams/${encodeURIComponent(name)}/events`, { type: 't', data: name });
      expect([name, answer.status]).toEqual([name, 201]);
      expect((await get(`/streams/${encodeURIComponent(name)}`)).json.streamId).toBe(name);
    }
    expect((await store.getStreams()).map(({ streamId }) => streamId).sort()).toEqual([...names].sort());
  });

  it.each(['%ED%A0%80', '%ff', '%', '%c0%ae%c0%ae', '%00', 'a%0d%0ab', '%7f', encodeURIComponent('x'.repeat(513))])(
    'the name %s in a path is refused',
    async (name) => {
      const { get, post } = await startHttpApp(adapter);

      const answers = [await get(`/streams/${name}`), await get(`/streams/${name}/events`)];
      answers.push(await post(`/streams/${name}/events`, { type: 't' }));

      expect(answers.map(({ status }) => status)).toEqual([400, 400, 400]);
    },
  );

  it('no query is taken for what it is not', async () => {
    const { store, get } = await startHttpApp(adapter);
    await store.append('orders', numbered(1, 3));
    const values = [
      '',
      ' ',
      '1 ',
      '+1',
      '-1',
      '01x',
      '1e3',
      '0x10',
      '1.0',
      'NaN',
      'Infinity',
      '99999999999999999999',
      '١',
      '1;2',
      '%00',
      'null',
      'true',
    ];
    const wrong = [
      ...['limit', 'after'].flatMap((name) => values.map((value) => [`${name}=${asSent(value)}`, name])),
      ...[
        'limit[]=1',
        'limit[a]=1',
        'limit%5B%5D=1',
        'after[$gt]=0',
        '__proto__=1',
        '__proto__[x]=1',
        'constructor=1',
        'Limit=1',
        'nope',
      ].map((query) => [query, decodeURIComponent(query.split('=')[0])]),
      ...['limit=1&limit=2', 'after=1&after=1'].map((query) => [query, query.split('=')[0]]),
      ...['limit=0', 'limit=1001'].map((query) => [query, 'limit']),
      ...['direction=up', 'direction=', 'direction=FORWARD'].map((query) => [query, 'direction']),
      ...['from=yesterday', 'from=1', 'from=2024-02-30', 'from=2024-01-01T00:00', 'from='].map((query) => [
        query,
        'from',
      ]),
      ...['to=never', 'from=2024-02-01&to=2024-01-01'].map((query) => [query, query.startsWith('to') ? 'to' : 'from']),
      ...['to=2024-01-01&after=1'].map((query) => [query, 'after']),
      ...['from=2024-01-01&direction=backward'].map((query) => [query, 'direction']),
      ...['stream=', 'stream=a%00b', 'stream=%ED%A0%80', `stream=${'x'.repeat(513)}`].map((query) => [query, 'stream']),
      ...['streams=', 'stream=a&streams=b', 'stream=a&stream=b'].map((query) => [
        query,
        query.startsWith('stream=a&stream=') ? 'stream' : 'streams',
      ]),
      ...['type=', 'type=a&type='].map((query) => [query, query === 'type=' ? 'type[0]' : 'type[1]']),
    ];

    for (const [query, field] of wrong) {
      const { status, json } = await get(`/events?${query}`);
      expect([query, status, json.code, json.field]).toEqual([query, 400, 'VALIDATION_FAILED', field]);
    }
  });

  it('500 queries made at random are answered, or refused with the field named, and never with a 500', async () => {
    const logger = new RecordingNestLogger();
    const { store, get } = await startHttpApp(adapter, { logger });
    await store.append('orders', numbered(1, 3));
    const name = fc.constantFrom(
      'limit',
      'after',
      'from',
      'to',
      'type',
      'stream',
      'streams',
      'direction',
      'prefix',
      'x',
      'limit[]',
    );
    const value = fc.oneof(
      fc.constantFrom(
        '1',
        '0',
        '-1',
        '1e9',
        '2024-01-01',
        'backward',
        'orders',
        '*',
        '%',
        '%ff',
        '%00',
        '[]',
        'a&b=c',
        '=',
      ),
      fc.string({ unit: 'binary', maxLength: 30 }),
    );
    const query = fc.array(fc.tuple(name, value), { maxLength: 4 });
    const paths = ['/events', '/streams', '/streams/orders/events', '/streams/orders', '/stats', '/dead-letters'];

    for (const pairs of fc.sample(query, { numRuns: scaled(500), seed: 4_711 })) {
      const text = pairs.map(([key, text]) => `${key}=${asSent(text)}`);
      const path = `${paths[pairs.length % paths.length]}?${text.join('&')}`;
      const { status, json } = await get(path);
      expect([path, [200, 400, 403].includes(status)]).toEqual([path, true]);
      if (status === 400) expect([path, typeof json.field]).toEqual([path, 'string']);
    }
    expect(logger.errors).toEqual([]);
  });

  it('no pattern takes long, whatever it is matched with', async () => {
    const { store, get } = await startHttpApp(adapter);
    await store.append('a'.repeat(500), numbered(1, 100));

    const begin = performance.now();
    const { status } = await get(`/events?streams=${'*a'.repeat(200)}b&type=${'*d'.repeat(200)}e`);

    expect(status).toBe(200);
    expect(performance.now() - begin).toBeLessThan(5_000);
  });

  describe('limits', () => {
    it('hold for the number of events in a request, exactly', async () => {
      const { store, post } = await startHttpApp(adapter, { http: { maxEventsPerAppend: 5 } });

      expect((await post('/streams/a/events', numbered(1, 5))).status).toBe(201);
      expect(await post('/streams/a/events', numbered(1, 6))).toMatchObject({
        status: 413,
        json: { code: 'PAYLOAD_TOO_LARGE' },
      });
      expect((await store.stats()).totalEvents).toBe(5);
    });

    it.each(['application/json', 'application/cloudevents+json'])(
      'hold for the bytes of a body of %s, exactly',
      async (type) => {
        const { post } = await startHttpApp(adapter, { http: { maxBodyBytes: 1_000 } });
        const event = { specversion: '1.0', id: '1', source: '/', type: 't', data: '' };
        const body = type.includes('cloud') ? event : { type: 't', data: '' };
        const ofBytes = (bytes: number) => ({ ...body, data: 'x'.repeat(bytes - JSON.stringify(body).length) });

        expect((await post('/streams/a/events', ofBytes(1_000), { 'content-type': type })).status).toBe(201);
        expect((await post('/streams/a/events', ofBytes(1_001), { 'content-type': type })).status).toBe(413);
      },
    );

    it('hold for a body that does not say how long it is', async () => {
      const { send } = await startHttpApp(adapter, { http: { maxBodyBytes: 1_000 } });

      const { status } = await send('POST', '/streams/a/events', {
        headers: {
          'content-type': 'application/cloudevents+json',
          'transfer-encoding': 'chunked',
        },
        body: `"${'x'.repeat(100_000)}"`,
      });

      expect(status).toBe(413);
    });

    it('hold for the events of a page', async () => {
      const { get } = await startHttpApp(adapter, { http: { maxPageSize: 5 } });

      expect((await get('/events?limit=5')).status).toBe(200);
      expect(await get('/events?limit=6')).toMatchObject({ status: 400, json: { field: 'limit' } });
      expect((await get('/streams?limit=6')).status).toBe(400);
    });

    it('keep 200 of the largest requests at once from taking all memory', async () => {
      const { store, get } = await startHttpApp(adapter, {
        store: { maxEventsPerStream: 0 },
        http: { maxPageBytes: 100_000 },
      });
      await store.append(
        'orders',
        Array.from({ length: 1_000 }, () => ({ type: 't', data: 'x'.repeat(10_000) })),
      );
      const before = process.memoryUsage().rss;

      const answers = await Promise.all(Array.from({ length: 200 }, () => get('/events?limit=1000')));

      expect(answers.every(({ status, text }) => status === 200 && text.length < 200_000)).toBe(true);
      expect(process.memoryUsage().rss - before).toBeLessThan(512 * 2 ** 20);
    });
  });

  describe('a page of another site', () => {
    const write = [
      ['POST', '/streams/orders/events'],
      ['POST', '/snapshots'],
      ['POST', '/dead-letters/x/retry'],
      ['DELETE', '/dead-letters/x'],
    ] as const;
    const json = { 'content-type': 'application/json' };

    it.each<[string, Record<string, string>]>([
      ['by a form', { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'cross-site' }],
      ['by a form, from an old browser', { 'content-type': 'text/plain', origin: 'http://evil.test' }],
      ['by fetch', { ...json, 'sec-fetch-site': 'cross-site', origin: 'http://evil.test' }],
      [
        'by fetch, from another application of the same site',
        { ...json, 'sec-fetch-site': 'same-site', origin: 'http://a.test' },
      ],
      ['by fetch, from an old browser', { ...json, origin: 'http://evil.test' }],
      ['from nowhere', { ...json, origin: 'null' }],
      ['with an origin that is none', { ...json, origin: 'evil' }],
    ])('can make nothing happen %s', async (_way, headers) => {
      const { store, send } = await startHttpApp(adapter);

      for (const [method, path] of write) {
        const body = method === 'POST' ? '{"type":"t"}' : undefined;
        const { status } = await send(method, path, { headers, body });
        // 400: Fastify wants a body where one is announced.
        expect([path, [400, 403, 415].includes(status)]).toEqual([path, true]);
      }
      expect((await store.stats()).totalEvents).toBe(0);
    });

    it('can if its origin is listed', async () => {
      const { send } = await startHttpApp(adapter, { http: { allowedOrigins: ['https://admin.test'] } });
      const post = (origin: string) =>
        send('POST', '/streams/orders/events', {
          headers: { ...json, origin, 'sec-fetch-site': 'cross-site' },
          body: '{"type":"t"}',
        });

      expect([(await post('https://admin.test')).status, (await post('https://admin.test.evil')).status]).toEqual([
        201, 403,
      ]);
    });

    it('is told from the own page, and from programs', async () => {
      const { send, origin } = await startHttpApp(adapter);
      const host = new URL(origin).host;
      const post = async (headers: Record<string, string>) =>
        (await send('POST', '/streams/orders/events', { headers: { ...json, ...headers }, body: '{"type":"t"}' }))
          .status;

      expect(await post({})).toBe(201);
      expect(await post({ origin: `http://${host}` })).toBe(201);
      expect(await post({ 'sec-fetch-site': 'same-origin', origin: `https://${host}` })).toBe(201);
      expect(await post({ 'sec-fetch-site': 'none' })).toBe(201);
    });

    it('cannot read answers, and no GET changes anything', async () => {
      const { store, get } = await startHttpApp(adapter);
      await store.append('orders', numbered(1, 1));

      const { headers } = await get('/events', { origin: 'http://evil.test' });

      expect(headers['access-control-allow-origin']).toBeUndefined();
      expect(headers['cross-origin-resource-policy']).toBe('same-origin');
      expect(headers['cache-control']).toBe('no-store');
      expect((await store.stats()).totalEvents).toBe(1);
    });
  });

  it('the page comes with headers that let nothing else in', async () => {
    const { get } = await startHttpApp(adapter, { http: { page: true } });

    for (const file of ['index.html', 'main.js', 'page.css', 'uPlot.iife.min.js']) {
      const { status, headers, text } = await get(`/page/${file}`);
      expect(status).toBe(200);
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cache-control': 'no-store',
      });
      if (file !== 'uPlot.iife.min.js')
        expect(text).not.toMatch(/https?:\/\/(?!www\.w3\.org)|innerHTML|outerHTML|insertAdjacentHTML|eval\(/);
    }
    for (const file of [
      '..%2f..%2fpackage.json',
      'directory.cjs',
      'uplot',
      'LICENSE',
      'constructor',
      '__proto__',
      'nope.js',
    ]) {
      expect([file, (await get(`/page/${file}`)).status]).toEqual([file, 404]);
    }
  });
});
