import { describe, expect, it } from '@jest/globals';
import type { EventStoreHttpOptions } from 'nestjs-stream-store/http';
import { ADAPTERS, startHttpApp } from './http-app.js';

const everybody = { canActivate: () => true };

describe.each(ADAPTERS)('on %s, a request', (adapter) => {
  it.each<[string, number, EventStoreHttpOptions & { guarded?: boolean }]>([
    ['evil.example', 403, {}],
    ['evil.example:3000', 403, {}],
    ['127.0.0.1.evil.example', 403, {}],
    ['localhost.evil.example', 403, {}],
    ['127.0.0.1:3000', 200, {}],
    ['[::1]:3000', 200, {}],
    ['localhost:3000', 200, {}],
    ['LOCALHOST', 200, {}],
    ['shop.localhost', 200, {}],
    ['evil.example', 200, { guarded: true }],
    ['evil.example', 403, { guarded: true, allowedHosts: ['shop.example'] }],
    ['shop.example', 200, { allowedHosts: ['shop.example'] }],
    ['Shop.Example:8443', 200, { allowedHosts: ['shop.example'] }],
    ['eu.shop.example', 403, { allowedHosts: ['shop.example'] }],
    ['eu.shop.example', 200, { allowedHosts: ['.shop.example'] }],
    ['evilshop.example', 403, { allowedHosts: ['.shop.example'] }],
    ['evil.example', 200, { allowedHosts: ['*'] }],
  ])('that was sent to %s is answered with %d: %o', async (host, status, { guarded = false, ...options }) => {
    const { get, post } = await startHttpApp(adapter, {
      http: { page: true, ...(guarded && { guards: [everybody] }), ...options },
    });
    const sameOrigin = { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' };

    const answers = [
      await get('/streams', { host }),
      await get('/page/index.html', { host }),
      await post('/streams/s/events', { type: 't' }, sameOrigin),
    ];

    expect(answers.map((answer) => answer.status)).toEqual(status === 200 ? [200, 200, 201] : [403, 403, 403]);
    if (status === 403) expect(answers[0].json.detail).toContain('allowedHosts');
  });

  it('says the origin of its own page in any way that RFC 6454 takes for the same', async () => {
    const { post } = await startHttpApp(adapter, { http: { allowedHosts: ['*'] } });
    const statusOf = async (host: string, origin: string): Promise<number> =>
      (await post('/streams/s/events', { type: 't' }, { host, origin })).status;

    expect([
      await statusOf('shop.example:80', 'http://shop.example'),
      await statusOf('shop.example', 'http://shop.example:80'),
      await statusOf('shop.example:443', 'https://shop.example'),
      await statusOf('Shop.Example', 'http://shop.example'),
      await statusOf('[::1]:3000', 'http://[0:0::1]:3000'),
    ]).toEqual([201, 201, 201, 201, 201]);
    expect([
      await statusOf('shop.example:443', 'http://shop.example'),
      await statusOf('shop.example:8080', 'http://shop.example'),
      await statusOf('shop.example', 'http://other.example'),
      await statusOf('shop.example', 'null'),
    ]).toEqual([403, 403, 403, 403]);
  });
});
