import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { OnStreamEvent, StreamSubscriptions, type RecordedEvent } from 'nestjs-stream-store';
import type { Browser } from 'playwright-core';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { startHttpApp } from './http-app.js';
import { HAS_CHROMIUM, launchChromium } from './page-app.js';

// The usual ways out of a text (OWASP, "XSS Filter Evasion Cheat Sheet"), each in the ways that each context needs.
const SCRIPT = 'alert(1)';
const CORES = [
  `<script>${SCRIPT}</script>`,
  `<ScRiPt >${SCRIPT}</sCrIpT>`,
  `<img src=x onerror=${SCRIPT}>`,
  `<img src="x" onerror="${SCRIPT}"/>`,
  `<svg onload=${SCRIPT}>`,
  `<svg><script>${SCRIPT}</script></svg>`,
  `<iframe src="javascript:${SCRIPT}"></iframe>`,
  `<iframe srcdoc="<script>${SCRIPT}</script>"></iframe>`,
  `<body onload=${SCRIPT}>`,
  `<details open ontoggle=${SCRIPT}>`,
  `<video><source onerror=${SCRIPT}></video>`,
  `<math href="javascript:${SCRIPT}">x</math>`,
  `<a href="javascript:${SCRIPT}">click</a>`,
  `<input autofocus onfocus=${SCRIPT}>`,
  `<style>@import 'http://evil.test/x.css';</style>`,
  `<link rel=stylesheet href=http://evil.test/x.css>`,
  `<base href="http://evil.test/">`,
  `<meta http-equiv="refresh" content="0;url=http://evil.test/">`,
  `<object data="javascript:${SCRIPT}"></object>`,
  `<template><img src=x onerror=${SCRIPT}></template>`,
  `<custom-element onclick=${SCRIPT}></custom-element>`,
  `<stream-list></stream-list>`,
  `javascript:${SCRIPT}`,
  `data:text/html,<script>${SCRIPT}</script>`,
  `{{constructor.constructor('${SCRIPT}')()}}`,
  `x \${${SCRIPT}}`,
];
const PAYLOADS = CORES.flatMap((core) => [
  core,
  `"${core}`,
  `'>${core}`,
  `"></title></script>${core}`,
  `</summary>${core}`,
  `--><!--${core}`,
]);

@Injectable()
class Refusing {
  @OnStreamEvent({ all: true }, { durable: `refusing ${CORES[2]}`, retry: { attempts: 1 } })
  refuse({ type }: RecordedEvent): void {
    throw new Error(`<b>${type}</b>`);
  }
}

(HAS_CHROMIUM ? describe : describe.skip)('what is in the store, seen in the stream page', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  }, 60_000);
  afterAll(() => browser?.close());

  it(`stays text: ${PAYLOADS.length} attacks in names, types, keys, values, metadata and errors of handlers`, async () => {
    const app = await startHttpApp('Express', {
      http: { page: true },
      providers: [Refusing],
      logger: new RecordingNestLogger(),
    });
    for (const payload of PAYLOADS) {
      await app.store.append(payload, {
        type: payload,
        data: { [payload]: [payload] },
        metadata: { [payload]: payload },
      });
    }
    await app.app.get(StreamSubscriptions).whenSettled();
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on('dialog', (dialog) => {
      faults.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== app.origin) faults.push(`request to ${request.url()}`);
    });
    await page.addInitScript(
      `addEventListener('securitypolicyviolation', ({ violatedDirective }) => console.error('CSP: ' + violatedDirective));`,
    );

    await page.goto(`${app.url}/page`);
    await page.getByRole('button', { name: 'Older events' }).click();
    await page.locator('.events li').nth(99).waitFor();
    // All at once: a click on each would take minutes.
    await page.evaluate(`document.querySelectorAll('.events details').forEach((details) => (details.open = true))`);
    await page.locator('.events .json').nth(199).waitFor();
    const types = await page.locator('.events .type').allTextContents();
    const streams = await page.locator('.streams .name').allTextContents();
    const json = await page.locator('.events .json').first().textContent();
    const elements = new Set(
      await page.evaluate<string[]>(`[...document.querySelectorAll('*')].map(({ localName }) => localName)`),
    );
    await page.goto(`${app.url}/page/index.html#/events?stream=${encodeURIComponent(PAYLOADS[3])}`);
    await page.getByRole('heading', { name: PAYLOADS[3], exact: true }).waitFor();
    await page.goto(`${app.url}/page/index.html#/handlers`);
    await page.locator('tbody th').waitFor();
    await page.goto(`${app.url}/page/index.html#/dead-letters`);
    await page.getByRole('article').nth(99).waitFor();
    const errors = await page.locator('article .message').allTextContents();

    const newest = [...PAYLOADS].reverse();
    expect(types).toEqual(newest.slice(0, 100));
    expect(streams.slice(1).sort()).toEqual([...PAYLOADS].sort());
    expect(json).toBe(JSON.stringify({ [newest[0]]: [newest[0]] }, null, 2));
    expect(errors).toEqual(PAYLOADS.slice(0, 100).map((payload) => `Error: <b>${payload}</b>`));
    const foreign = 'iframe object svg math video source template custom-element base style b'.split(' ');
    expect(foreign.filter((name) => name !== 'body' && elements.has(name))).toEqual([]);
    expect(await page.locator('script').count()).toBe(2);
    expect(faults).toEqual([]);
  });
});
