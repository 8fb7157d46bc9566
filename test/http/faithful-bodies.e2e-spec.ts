import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { ADAPTERS, startHttpApp, type HttpApp, type HttpAppOptions } from './http-app.js';
import { SseClient } from './sse-client.js';

const OWN = 'application/json';
const STRUCTURED = 'application/cloudevents+json';
const BATCHED = 'application/cloudevents-batch+json';

const DATA: readonly (readonly [string, string])[] = [
  ['{"items":[{"amount":9007199254740993}]}', 'data.items[0].amount'],
  ['12345678901234567890', 'data'],
  ['{"n":0.30000000000000004441}', 'data.n'],
  ['{"n":1e400}', 'data.n'],
  ['[{"a":1,"a":2}]', 'data[0].a'],
  ['{"a":1,"\\u0061":2}', 'data.a'],
  ['{"__proto__":{"a":1,"a":2}}', 'data.__proto__.a'],
  ['{"text":"\\ud800"}', 'data.text'],
];

/** What is appended, as the text of an event and of a CloudEvent. */
const FORMS: readonly (readonly [string, (data: string) => string, string])[] = [
  [OWN, (data) => `{"type":"t","data":${data}}`, ''],
  [OWN, (data) => `[{"type":"t"},{"type":"t","data":${data}}]`, 'events[1].'],
  [STRUCTURED, (data) => `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":${data}}`, ''],
  [BATCHED, (data) => `[{"specversion":"1.0","id":"1","source":"/s","type":"t","data":${data}}]`, 'events[0].'],
];

const append = (app: HttpApp, type: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  app.send('POST', '/streams/s/events', { headers: { 'content-type': type, ...headers }, body });

describe.each(ADAPTERS)('on %s, a body that would be read as something else', (adapter) => {
  async function expectRefusals(options: HttpAppOptions = {}): Promise<void> {
    const app = await startHttpApp(adapter, options);
    for (const [type, bodyOf, place] of FORMS) {
      for (const [data, path] of DATA) {
        const { status, json } = await append(app, type, bodyOf(data));
        // Fastify has refused that name before anybody else could look.
        const isByFastify = adapter === 'Fastify' && type === OWN && path.includes('__proto__');
        const field = isByFastify ? 'data.__proto__' : path;
        expect([type, data, status, json.code, json.field]).toEqual([
          type,
          data,
          400,
          'VALIDATION_FAILED',
          place + field,
        ]);
      }
    }
    expect((await app.store.stats()).totalEvents).toBe(0);
  }

  it('is refused with the path, as our own JSON and as CloudEvents', () => expectRefusals());

  it('is refused where the endpoint reads it by itself', () => expectRefusals({ nest: { bodyParser: false } }));

  it('is refused where the application keeps bodies', async () => {
    const app = await startHttpApp(adapter, { nest: { rawBody: true } });

    expect((await append(app, OWN, '{"type":"t","data":9007199254740993}')).json.field).toBe('data');
  });

  it('is refused in its other members too', async () => {
    const app = await startHttpApp(adapter);
    const fields = [];
    for (const [type, body] of [
      [OWN, '{"type":"t","type":"u"}'],
      [OWN, '{"type":"t","metadata":{"n":{"m":9007199254740993}}}'],
      [OWN, '{"type":"t","id":"1","\\u0069d":"2"}'],
      [STRUCTURED, '{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"\\ud800"}'],
      [STRUCTURED, '{"specversion":"1.0","id":"1","source":"/s","source":"/r","type":"t"}'],
      [STRUCTURED, '{"specversion":"1.0","id":"1","source":"/s","type":"t","metadata":"{\\"n\\":[9007199254740993]}"}'],
      [BATCHED, '[{"specversion":"1.0","id":"1","source":"/s","type":"t","metadata":"{\\"n\\":1,\\"n\\":2}"}]'],
    ]) {
      const { status, json } = await append(app, type, body);
      fields.push([status, json.field]);
    }

    expect(fields).toEqual(
      ['type', 'metadata.n.m', 'id', 'subject', 'source', 'metadata.n[0]', 'events[0].metadata.n'].map((field) => [
        400,
        field,
      ]),
    );
    expect((await app.store.stats()).totalEvents).toBe(0);
  });

  it('is refused in pieces, and with whitespace and a byte order mark around it', async () => {
    const app = await startHttpApp(adapter);

    const body = `\ufeff\r\n\t{ "type" : "t" , "data" : [ 1.5 , { "n" : 9007199254740993 } ] }\n`;

    const { status, json } = await append(app, STRUCTURED, body, { 'transfer-encoding': 'chunked' });
    expect([status, json.field]).toEqual([400, 'data[1].n']);
  });

  it('has a path that is no longer than it must be', async () => {
    const app = await startHttpApp(adapter);

    const { json } = await append(app, OWN, `{"type":"t","data":{"${'k'.repeat(10_000)}":1e999}}`);
    const deep = await append(app, OWN, `{"type":"t","data":${'['.repeat(40_000)}${']'.repeat(40_000)}}`);

    expect(String(json.field).length).toBeLessThan(100);
    expect([deep.status, deep.text.length < 2_000]).toEqual([400, true]);
  });
});

describe.each(ADAPTERS)('on %s, a body that says what it is', (adapter) => {
  const KEPT =
    '{"big":9007199254740991,"e":1e21,"zero":-0,"list":[-0,0,0.1,1.10],"constructor":{"a":1},"ä\\u0000":"\\ud83d\\ude00"}';

  it('is kept, and given out again, as it was sent: -0 too', async () => {
    const app = await startHttpApp(adapter);
    for (const [type, bodyOf] of FORMS) expect((await append(app, type, bodyOf(KEPT))).status).toBe(201);

    const value = JSON.parse(KEPT) as object;
    const kept = (await app.store.readStream('s')).map(({ data }) => data).filter((data) => data !== null);
    expect(kept).toEqual([value, value, value, value]);
    const outOf = async (path: string, accept: string) => (await app.get(path, { accept })).text;
    const texts = [
      await outOf('/streams/s/events', OWN),
      await outOf('/streams/s/events/1', OWN),
      await outOf('/streams/s/events/1', STRUCTURED),
      await outOf('/events', BATCHED),
      await outOf('/events', 'application/x-ndjson'),
      (await new SseClient(`${app.url}/events`).received(1)).text,
    ];
    for (const text of texts)
      expect(text).toContain('"big":9007199254740991,"e":1e+21,"zero":-0,"list":[-0,0,0.1,1.1]');
  });

  it('is kept with -0 in metadata that are no attributes of a CloudEvent', async () => {
    const app = await startHttpApp(adapter);
    await append(app, OWN, '{"type":"t","metadata":{"n":{"zero":-0}}}');

    const { text } = await app.get('/streams/s/events/1', { accept: STRUCTURED });
    await append(app, STRUCTURED, text.replace(/"id":"[^"]*"/, '"id":"other"'));

    const [, again] = await app.store.readStream('s');
    expect(again.metadata.n).toEqual({ zero: -0 });
  });

  it('is no matter of the order or the place in which a name stands', async () => {
    const app = await startHttpApp(adapter);

    expect(
      (await append(app, OWN, '{"data":{"data":{"type":1},"type":[{"type":1},{"type":1}]},"type":"t"}')).status,
    ).toBe(201);
  });
});

describe('on Fastify, a body with a name that its parser refuses', () => {
  it.each([
    ['{"type":"t","data":{"a":[{"__proto__":1}]}}', 'data.a[0].__proto__'],
    ['[{"type":"t"},{"type":"t","metadata":{"constructor":{"prototype":1}}}]', 'events[1].metadata.constructor'],
    ['{"type":"t","__proto__":null}', '__proto__'],
    ['{"type":"t",', 'body'],
  ])('is refused with the path: %s', async (body, field) => {
    const app = await startHttpApp('Fastify');

    const { status, json } = await append(app, OWN, body);

    expect([status, json.code, json.field]).toEqual([400, 'VALIDATION_FAILED', field]);
  });
});

describe('on Express, a body that a parser of the application has read', () => {
  const withParsers = (prepare: (app: NestExpressApplication) => void): HttpAppOptions => ({
    nest: { bodyParser: false },
    prepare: (app: INestApplication) => prepare(app as NestExpressApplication),
  });
  const CHANGED = '{"type":"t","data":{"a":1,"a":9007199254740993}}';
  const CHANGED_CLOUD_EVENT = `{"specversion":"1.0","id":"1","source":"/s",${CHANGED.slice(1)}`;

  it.each<[string, HttpAppOptions]>([
    ['of JSON', withParsers((app) => app.useBodyParser('json', { type: [OWN, STRUCTURED] }))],
    [
      'with a reviver',
      withParsers((app) => app.useBodyParser('json', { type: '*/*', reviver: (_: string, value: unknown) => value })),
    ],
    ['of texts', withParsers((app) => app.useBodyParser('text', { type: '*/*' }))],
    ['of bytes', withParsers((app) => app.useBodyParser('raw', { type: '*/*' }))],
  ])('%s is looked at as it was sent', async (_what, options) => {
    const app = await startHttpApp('Express', options);

    for (const [type, body] of [
      [OWN, CHANGED],
      [STRUCTURED, CHANGED_CLOUD_EVENT],
    ]) {
      expect((await append(app, type, body)).json.field).toBe('data.a');
      expect((await append(app, type, gzipSync(body), { 'content-encoding': 'gzip' })).json.field).toBe('data.a');
      expect((await append(app, type, Buffer.from('{"type":"é"}', 'latin1'))).json.field).toBe('body');
      expect((await append(app, type, body.replace('"a":1,', '').replace('993', '992'))).status).toBe(201);
    }
  });
});

describe('on Express, an application that gets its requests from another server', () => {
  const BIG = '{"type":"t","data":9007199254740993}';

  /** Has a body appended; the other server may do something with the request before. */
  async function appended(nest: HttpAppOptions['nest'], before: (request: object) => void): Promise<Answer> {
    const app = await startHttpApp('Express', { nest });
    const handle = app.app.getHttpAdapter().getInstance() as RequestListener;
    const other = createServer((request, response) => {
      before(request);
      handle(request, response);
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = other.address() as AddressInfo;
      const answer = await fetch(`http://127.0.0.1:${port}/event-store/streams/s/events`, {
        ...{ method: 'POST', headers: { 'content-type': OWN }, body: BIG },
      });
      return { status: answer.status, field: ((await answer.json()) as { field?: string }).field };
    } finally {
      other.close();
    }
  }

  it('looks at the bodies that Nest keeps for it', async () => {
    expect(await appended({ rawBody: true }, () => undefined)).toEqual({ status: 400, field: 'data' });
  });

  it('looks at the bodies that the other server keeps', async () => {
    const parsed = (request: object) =>
      Object.assign(request, { rawBody: Buffer.from(BIG), body: JSON.parse(BIG) as object });

    expect(await appended({ bodyParser: false }, parsed)).toEqual({ status: 400, field: 'data' });
  });

  it('takes what the parser has made, where nobody keeps them', async () => {
    expect(await appended({}, () => undefined)).toEqual({ status: 201, field: undefined });
  });
});

interface Answer {
  readonly status: number;
  readonly field: string | undefined;
}
