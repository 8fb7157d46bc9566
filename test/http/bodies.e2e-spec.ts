import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { ADAPTERS, startHttpApp, type HttpApp } from './http-app.js';

const EVENT = '{"type":"moved","data":{"to":"Zürich"}}';
const CLOUD_EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"moved","data":{"to":"Zürich"}}';

describe.each(ADAPTERS)('on %s, the body of an append', (adapter) => {
  const append = ({ send }: HttpApp, type: string, body: Buffer | string, headers: Record<string, string> = {}) =>
    send('POST', '/streams/s/events', { headers: { 'content-type': type, ...headers }, body });

  it.each([
    ['application/json', EVENT],
    ['application/json', `[${EVENT}]`],
    ['application/cloudevents+json', CLOUD_EVENT],
    ['application/cloudevents-batch+json', `[${CLOUD_EVENT}]`],
  ])('of the type %s is refused when its bytes are no UTF-8: %s', async (type, body) => {
    const app = await startHttpApp(adapter);

    const { status, json } = await append(app, type, Buffer.from(body, 'latin1'));

    expect([status, json.code, json.field]).toEqual([400, 'VALIDATION_FAILED', 'body']);
    expect((await app.store.stats()).totalEvents).toBe(0);
  });

  it.each([
    ['application/json', EVENT, 'iso-8859-1', 'latin1'],
    ['application/json', EVENT, 'utf-16le', 'utf16le'],
    ['application/cloudevents+json', CLOUD_EVENT, 'utf-16le', 'utf16le'],
    ['application/cloudevents+json', CLOUD_EVENT, 'iso-8859-1', 'latin1'],
  ] as const)('of the type %s is refused in another charset than UTF-8: %s', async (type, body, charset, encoding) => {
    const app = await startHttpApp(adapter);

    const { status, headers } = await append(app, `${type}; charset=${charset}`, Buffer.from(body, encoding));

    expect([status, headers['content-type']]).toEqual([415, 'application/problem+json; charset=utf-8']);
    expect((await app.store.stats()).totalEvents).toBe(0);
  });

  it.each(['application/json', 'application/json; charset=UTF-8', 'application/json;charset="utf-8"'])(
    'is kept as it was sent: %s',
    async (type) => {
      const app = await startHttpApp(adapter);
      const body = EVENT.replace('Zürich', 'Zürich \ufffd 東京 😀');

      expect((await append(app, type, body)).status).toBe(201);
      // In pieces that end in the middle of a character.
      expect((await append(app, type, body, { 'transfer-encoding': 'chunked' })).status).toBe(201);

      const events = await app.store.readStream('s');
      expect(events.map(({ data }) => data)).toEqual([
        { to: 'Zürich \ufffd 東京 😀' },
        { to: 'Zürich \ufffd 東京 😀' },
      ]);
    },
  );

  it('may have a kilobyte when its length is not said either', async () => {
    const app = await startHttpApp(adapter, { http: { maxBodyBytes: 1_000 } });

    const body = JSON.stringify({ type: 't', data: 'x'.repeat(2_000) });

    expect((await append(app, 'application/json', body, { 'transfer-encoding': 'chunked' })).status).toBe(413);
  });

  it('that is compressed is read by the parser, or refused', async () => {
    const app = await startHttpApp(adapter);
    const gzipped = { 'content-encoding': 'gzip' };

    const json = await append(app, 'application/json', gzipSync(EVENT), gzipped);
    const malformed = await append(app, 'application/json', gzipSync(Buffer.from(EVENT, 'latin1')), gzipped);
    const cloudEvent = await append(app, 'application/cloudevents+json', gzipSync(CLOUD_EVENT), gzipped);

    expect(cloudEvent.status).toBe(415);
    expect([json.status, malformed.status]).toEqual(adapter === 'Express' ? [201, 400] : [400, 400]);
  });

  it('is read by the endpoint itself where the application has no parser', async () => {
    const app = await startHttpApp(adapter, { nest: { bodyParser: false } });

    expect((await append(app, 'application/json', EVENT)).status).toBe(201);
    expect((await append(app, 'application/json', Buffer.from(EVENT, 'latin1'))).status).toBe(400);
    expect((await append(app, 'application/json', '{')).json.field).toBe('body');
    expect((await append(app, 'application/cloudevents+json', CLOUD_EVENT)).status).toBe(201);
    expect((await app.store.readStream('s')).map(({ data }) => data)).toEqual([{ to: 'Zürich' }, { to: 'Zürich' }]);
  });
});
