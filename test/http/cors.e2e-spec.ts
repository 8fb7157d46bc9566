import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { CorsOptions } from '@nestjs/common/interfaces/external/cors-options.interface.js';
import type { Browser } from 'playwright-core';
import { readPage } from '../docs/markdown.js';
import { numbered } from '../support/events.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { ADAPTERS, startHttpApp, type AdapterName, type HttpApp } from './http-app.js';
import { HAS_CHROMIUM, launchChromium } from './page-app.js';

/** What docs/http.md says, for another origin than the one there. */
function documentedCors(origin: string): CorsOptions {
  const [, options] = /app\.enableCors\((\{[\s\S]*?\})\);/.exec(readPage('docs/http.md').text)!;
  return { ...(runInNewContext(`(${options})`) as CorsOptions), origin };
}

/** Knows its users by a cookie. */
const needsCookie: CanActivate = {
  canActivate: (context: ExecutionContext) => {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    return headers.cookie?.includes('session=ada') ?? false;
  },
};

/** Runs in the page of the other origin. */
const USE = (url: string) => `(async () => {
  const url = ${JSON.stringify(url)};
  const ask = async (path, { headers, ...init } = {}) => {
    const answer = await fetch(url + path, { credentials: 'include', headers, ...init });
    const text = await answer.text();
    const [etag, link] = ['etag', 'link'].map((name) => answer.headers.get(name));
    return { status: answer.status, etag, link, text, json: /json;/.test(answer.headers.get('content-type') ?? '') && JSON.parse(text) };
  };
  const append = (headers) => ask('/streams/orders/events', {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{"type":"paid"}',
  });
  const page = await ask('/streams/orders/events?limit=2');
  const next = await ask('/streams/orders/events' + /<(.*)>/.exec(page.link)[1]);
  const lines = await ask('/events', { headers: { accept: 'application/x-ndjson' } });
  const unchanged = await ask('/streams/orders', { headers: { 'if-none-match': page.etag } });
  const kept = await append({ 'if-match': page.etag });
  const lost = await append({ 'if-match': page.etag });
  const exists = await append({ 'if-none-match': '*' });
  const malformed = await ask('/streams/orders/events', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' });
  const missing = await ask('/dead-letters/nobody:1', { method: 'DELETE' });
  const anonymous = await ask('/streams', { credentials: 'omit' });
  const live = await new Promise((resolve, reject) => {
    const source = new EventSource(url + '/streams/orders/events', { withCredentials: true });
    const ids = [];
    source.onerror = () => reject(new Error('no events'));
    source.onmessage = async ({ lastEventId, data }) => {
      ids.push(lastEventId.split(/[^0-9]/)[0] + ' ' + JSON.parse(data).type);
      if (ids.length === 4) await append({});
      if (ids.length < 5) return;
      source.close();
      resolve(ids);
    };
  });
  return {
    read: [page.status, page.etag, page.json.events.length, next.json.events.length],
    lines: lines.text.trim().split('\\n').length,
    unchanged: unchanged.status,
    kept: [kept.status, kept.etag, kept.json.revision],
    lost: [lost.status, lost.json.code, lost.json.actual],
    exists: exists.status,
    malformed: [malformed.status, malformed.json.code],
    missing: [missing.status, missing.json.code],
    anonymous: anonymous.status,
    live,
  };
})()`;

(HAS_CHROMIUM ? describe : describe.skip)('a page of another origin, in Chromium', () => {
  let browser: Browser;
  let elsewhere: Server;
  let origin: string;

  beforeAll(async () => {
    browser = await launchChromium();
    elsewhere = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<p>Hello'));
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    elsewhere?.close();
  });

  describe.each(ADAPTERS)('on %s', (adapter) => {
    it('reads, appends with conditions and follows events, with its cookies, where the application lets it', async () => {
      const app = await start(adapter, documentedCors(origin), [origin]);
      await app.store.append('orders', numbered(1, 3));

      expect(await inPage(USE(app.url))).toEqual({
        read: [200, '"3"', 2, 1],
        lines: 3,
        unchanged: 304,
        kept: [201, '"4"', 4],
        lost: [412, 'WRONG_EXPECTED_REVISION', 4],
        exists: 412,
        malformed: [400, 'VALIDATION_FAILED'],
        missing: [404, 'DEAD_LETTER_NOT_FOUND'],
        anonymous: 403,
        live: ['1 counted', '2 counted', '3 counted', '4 paid', '5 paid'],
      });
    });

    it('reads, and appends nothing, where it is not one of the allowed origins', async () => {
      const app = await start(adapter, documentedCors(origin), []);
      await app.store.append('orders', numbered(1, 3));

      const [read, appended] = (await inPage(`(async () => {
        const events = ${JSON.stringify(`${app.url}/streams/orders/events`)};
        const read = await fetch(events, { credentials: 'include' });
        const headers = { 'content-type': 'application/json' };
        const appended = await fetch(events, { method: 'POST', credentials: 'include', headers, body: '{"type":"paid"}' });
        return [read.status, appended.status];
      })()`)) as number[];

      expect([read, appended, (await app.store.stats()).totalEvents]).toEqual([200, 403, 3]);
    });

    it('gets nothing at all where the application lets another origin in', async () => {
      const app = await start(adapter, documentedCors('https://admin.example.com'), []);

      const outcome = await inPage(
        `fetch(${JSON.stringify(`${app.url}/streams`)}, { credentials: 'include' }).then(() => 'read', () => 'refused')`,
      );

      expect(outcome).toBe('refused');
    });
  });

  function start(adapter: AdapterName, cors: CorsOptions, allowedOrigins: string[]): Promise<HttpApp> {
    return startHttpApp(adapter, {
      http: { guards: [needsCookie], allowedOrigins },
      logger: new RecordingNestLogger(),
      prepare: (app) => app.enableCors(cors),
    });
  }

  async function inPage(script: string): Promise<unknown> {
    const context = await browser.newContext();
    await context.addCookies([{ name: 'session', value: 'ada', domain: '127.0.0.1', path: '/' }]);
    const page = await context.newPage();
    await page.goto(origin);
    try {
      return await page.evaluate(script);
    } finally {
      await context.close();
    }
  }
});
