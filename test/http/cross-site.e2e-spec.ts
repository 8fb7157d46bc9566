import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Request } from 'playwright-core';
import { ADAPTERS, startHttpApp } from './http-app.js';
import { HAS_CHROMIUM, launchChromium } from './page-app.js';

/** Runs in the page: tries to have something appended, and to read. Gives what it could read. */
const ATTACK = (url: string) => `(async () => {
  const append = ${JSON.stringify(`${url}/streams/orders/events`)};
  const body = '{"type":"evil"}';
  const texts = [];
  const attempts = [
    fetch(append, { method: 'POST', mode: 'no-cors', body }),
    fetch(append, { method: 'POST', mode: 'no-cors', credentials: 'include', headers: { 'content-type': 'text/plain' }, body }),
    fetch(append, { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
    fetch(append, { method: 'DELETE' }),
    fetch(append).then((answer) => answer.text()).then((text) => texts.push(text)),
    fetch(append, { mode: 'no-cors' }).then((answer) => answer.text()).then((text) => texts.push(text)),
    new Promise((resolve, reject) => {
      const source = new EventSource(append);
      source.onmessage = ({ data }) => resolve(texts.push(data));
      source.onerror = reject;
    }),
    new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = image.onerror = resolve;
      image.src = append;
    }),
  ];
  for (const enctype of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
    const name = 'frame' + document.forms.length;
    document.body.append(Object.assign(document.createElement('iframe'), { name }));
    const form = document.body.appendChild(document.createElement('form'));
    Object.assign(form, { method: 'POST', action: append, enctype, target: name });
    const input = form.appendChild(document.createElement('input'));
    Object.assign(input, { name: '{"type":"evil","data":"', value: '"}' });
    form.submit();
  }
  await Promise.allSettled(attempts);
  return texts.filter((text) => text !== '');
})()`;

(HAS_CHROMIUM ? describe : describe.skip)('a page of somebody else, in Chromium', () => {
  let browser: Browser;
  let elsewhere: Server;

  beforeAll(async () => {
    browser = await launchChromium();
    elsewhere = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<p>Hello'));
    await new Promise<void>((resolve) => elsewhere.listen(0, resolve));
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    elsewhere?.close();
  });

  describe.each(ADAPTERS)('on %s', (adapter) => {
    // A site has a host and any port.
    it.each([
      ['another site', 'localhost'],
      ['the same site', '127.0.0.1'],
    ])('from %s appends nothing and reads nothing', async (_which, host) => {
      const { store, url } = await startHttpApp(adapter);
      await store.append('orders', { type: 'order.placed' });
      const page = await browser.newPage();
      let posts = 0;
      const count = (request: Request) => request.method() === 'POST' && posts++;
      page.on('requestfinished', count).on('requestfailed', count);
      await page.goto(`http://${host}:${(elsewhere.address() as AddressInfo).port}/`);

      const read = await page.evaluate<string[]>(ATTACK(url));
      // Three by fetch, for one of which the browser asks first and is refused, and three by forms.
      while (posts < 6) await new Promise((resolve) => setTimeout(resolve, 20));
      await page.close();

      expect(read).toEqual([]);
      expect((await store.stats()).totalEvents).toBe(1);
    });
  });
});
