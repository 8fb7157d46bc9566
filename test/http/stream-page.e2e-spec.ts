import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DatabaseSync } from '@photostructure/sqlite';
import axe, { type AxeResults } from 'axe-core';
import { memoryEngine, StreamSubscriptions } from 'nestjs-stream-store';
import { sqliteEngine } from 'nestjs-stream-store/sqlite';
import type { Browser, Page } from 'playwright-core';
import { eventually } from '../support/waiting/eventually.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { startGateway } from './gateway.js';
import { ADAPTERS, startHttpApp, type AdapterName, type HttpApp, type HttpAppOptions } from './http-app.js';
import { appendADay, Billing, HAS_CHROMIUM, launchChromium } from './page-app.js';

const NOW = Date.parse('2024-05-17T18:00:00Z');

(HAS_CHROMIUM ? describe : describe.skip)('the stream page, in Chromium', () => {
  let browser: Browser;
  const faults: string[] = [];

  beforeAll(async () => {
    browser = await launchChromium();
  }, 60_000);
  afterAll(() => browser?.close());

  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    expect(faults.splice(0)).toEqual([]);
  });

  /** Opens the page; whatever it does that it should not do is a fault of the test. */
  async function open(app: HttpApp, path = '/page', options = {}): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width: 1_120, height: 760 },
      timezoneId: 'UTC',
      ...options,
    });
    await context.addInitScript(axe.source);
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    page.on('dialog', (dialog) => {
      faults.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== app.origin) faults.push(`request to ${request.url()}`);
    });
    await page.goto(app.url + path);
    return page;
  }

  function start(adapter: AdapterName = 'Express', options: HttpAppOptions = {}): Promise<HttpApp> {
    const { http, ...others } = options;
    return startHttpApp(adapter, { ...others, http: { page: true, ...http }, providers: [Billing] });
  }

  const textsOf = (page: Page, selector: string) => page.locator(selector).allTextContents();

  describe.each(ADAPTERS)('on %s', (adapter) => {
    it('lists streams, finds some, and shows the events of one with their JSON', async () => {
      const app = await start(adapter);
      await app.store.append('order-1', {
        type: 'order.placed',
        data: { euros: 12, items: ['tea'] },
        metadata: { by: 'ada' },
      });
      await app.store.append('user-7', { type: 'user.left' });
      const page = await open(app);
      await page.getByRole('link', { name: 'user-7' }).waitFor();
      expect(await textsOf(page, '.streams .name')).toEqual(['All streams', 'order-1', 'user-7']);
      // Of the whole store: events, streams, appended.
      await page.locator('store-figures dd').first().waitFor();
      expect((await textsOf(page, 'store-figures dd')).slice(0, 3)).toEqual(['2', '2', '2']);

      await page.getByLabel('Streams', { exact: true }).getByRole('searchbox').fill('order');
      await page.getByRole('link', { name: 'user-7' }).waitFor({ state: 'detached' });
      await page.getByRole('link', { name: 'order-1' }).click();
      await page.getByText('order.placed').click();

      await page.getByText('"tea"').waitFor();
      expect(await textsOf(page, '.json')).toEqual([
        JSON.stringify({ euros: 12, items: ['tea'] }, null, 2),
        JSON.stringify({ by: 'ada' }, null, 2),
      ]);
      expect(await page.getByRole('heading', { level: 2 }).textContent()).toBe('order-1');
    });

    it('shows events as they are appended, without a reload', async () => {
      const app = await start(adapter);
      await app.store.append('order-1', { type: 'first' });
      const page = await open(app, '/page/index.html#/events?stream=order-1');
      await page.locator('.live.following').waitFor();

      await app.store.append('other', { type: 'of another stream' });
      await app.store.append('order-1', [{ type: 'second' }, { type: 'third' }]);
      await page.getByText('third').waitFor();

      expect(await textsOf(page, '.events .type')).toEqual(['third', 'second', 'first']);
    });
  });

  it('shows every event once, although the connection is cut in between', async () => {
    const app = await start();
    const page = await open(app);
    for (const round of [1, 2]) {
      await page.locator('.live.following').waitFor();
      await app.store.append('order-1', { type: `seen ${round}` });
      await page.getByText(`seen ${round}`).waitFor();
      (app.app.getHttpServer() as Server).closeAllConnections();
      await app.store.append('order-1', { type: `missed ${round}` });
      await page.getByText(`missed ${round}`).waitFor();
    }

    expect(await textsOf(page, '.events .type')).toEqual(['missed 2', 'seen 2', 'missed 1', 'seen 1']);
    // Browsers report every connection that breaks.
    expect(faults.splice(0).filter((fault) => !fault.startsWith('Failed to load resource'))).toEqual([]);
  });

  it.each([
    ['a log that is kept', true],
    ['a new log', false],
  ])('goes on when the application has started anew behind a proxy, with %s', async (_what, isKept) => {
    const folder = mkdtempSync(join(tmpdir(), 'page-'));
    const engine = () =>
      isKept ? sqliteEngine({ file: join(folder, 'events.db'), driver: DatabaseSync }) : memoryEngine();
    const gateway = await startGateway();
    const through = (app: HttpApp): HttpApp => {
      gateway.to(app.origin);
      return { ...app, origin: gateway.origin, url: app.url.replace(app.origin, gateway.origin) };
    };
    const before = through(await start('Express', { store: { engine: engine() } }));
    await before.store.append('order-1', [{ type: 'first' }, { type: 'second' }]);
    const page = await open(before);
    await page.locator('.live.following').waitFor();

    gateway.to(undefined);
    await before.app.close();
    // It tries again by itself after a second, and takes the answer for final.
    await eventually('a refusal', () => gateway.refusals > 0);
    const after = await start('Express', { store: { engine: engine() } });
    await after.store.append('order-1', [{ type: 'third' }, { type: 'fourth' }, { type: 'fifth' }]);
    through(after);
    await page.getByText('fifth').waitFor();
    await page.locator('.live.following').waitFor();
    await after.store.append('order-1', { type: 'sixth' });
    await page.getByText('sixth').waitFor();

    expect(await textsOf(page, '.events .type')).toEqual(
      ['sixth', 'fifth', 'fourth', 'third', 'second', 'first'].slice(0, isKept ? 6 : 4),
    );
    // Browsers report every answer that is no success.
    expect(faults.splice(0).filter((fault) => !fault.startsWith('Failed to load resource'))).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  it('goes back in time, page by page', async () => {
    const app = await start();
    await appendADay(app.store, NOW);
    const page = await open(app);
    await page.getByRole('button', { name: 'Older events' }).click();
    await page.locator('.events li').nth(99).waitFor();

    const positions = await textsOf(page, '.events .position');
    expect(positions).toEqual(Array.from({ length: 100 }, (_, index) => `#${300 - index}`));
  });

  it('draws when events happened, and narrows to the range that is chosen in the chart', async () => {
    const app = await start();
    await appendADay(app.store, NOW);
    const page = await open(app);
    const overlay = page.locator('.u-over');
    const box = (await overlay.boundingBox())!;
    expect(await page.locator('.plot').getAttribute('aria-label')).toContain('All events: 300');

    await page.mouse.move(box.x + box.width * 0.25, box.y + 10);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 20, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=/);
    await page.getByText('Later events').waitFor();

    const { searchParams } = new URL(page.url().replace('#/', ''));
    const [from, to] = ['from', 'to'].map((name) => Date.parse(searchParams.get(name)!));
    const hour = 3_600_000;
    expect(Math.abs(from - (NOW - 18 * hour))).toBeLessThan(hour / 4);
    expect(Math.abs(to - (NOW - 12 * hour))).toBeLessThan(hour / 4);
    const times = await page.locator('.events time').all();
    const shown = await Promise.all(times.map((time) => time.getAttribute('datetime')));
    expect(shown).toHaveLength(50);
    expect(shown.every((time) => Date.parse(time!) >= from && Date.parse(time!) <= to)).toBe(true);
    await page.goBack();
    await page.locator('.live.following').waitFor();
  });

  it('finds events by their types and their time with the form', async () => {
    const app = await start();
    await appendADay(app.store, NOW);
    const page = await open(app);
    await page.getByLabel('Type').fill('*.shipped');
    await page.getByLabel('Type').press('Enter');
    await page.waitForURL(/type=/);
    await page.getByLabel('From', { exact: true }).fill('2024-05-17T06:00:00');
    await page.waitForURL(/from=/);
    await page.getByLabel('To', { exact: true }).fill('2024-05-17T07:30:00');
    await page.waitForURL(/to=/);
    await page.locator('.events li').first().waitFor();

    const range = { types: ['order.shipped'] };
    const wanted = await app.store.readTimeRange('2024-05-17T06:00:00Z', '2024-05-17T07:30:00Z', { filter: range });
    expect(wanted.length).toBeGreaterThan(0);
    expect(await textsOf(page, '.events .position')).toEqual(wanted.map(({ globalPosition }) => `#${globalPosition}`));
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.locator('.live.following').waitFor();
  });

  it('shows handlers with their state and lag, and dead letters, which can be retried and discarded', async () => {
    const app = await start('Express', { logger: new RecordingNestLogger() });
    const subscriptions = app.app.get(StreamSubscriptions);
    for (const euros of [96, 97, 98]) await app.store.append('order-1', { type: 'order.placed', data: { euros } });
    await subscriptions.whenSettled();
    await subscriptions.pause('billing');
    await app.store.append('order-2', { type: 'order.placed', data: { euros: 1 } });
    const page = await open(app, '/page/index.html#/handlers');
    await page.getByText('paused').waitFor();
    expect(await textsOf(page, 'tbody th, tbody td')).toEqual([
      'billing durable',
      'paused',
      expect.any(String),
      expect.stringMatching(/[1-9]/),
      '6',
      'Error: The payment gateway refused the card.',
    ]);
    await subscriptions.resume('billing');

    await page.getByRole('link', { name: 'Dead letters 3' }).click();
    await page.getByRole('article').nth(2).waitFor();
    app.app.get(Billing).refuses = false;
    await page.getByRole('button', { name: 'Retry order.placed at 1 in order-1' }).click();
    await page.getByText('billing has handled order.placed at 1 in order-1.').waitFor();
    await page.getByRole('button', { name: 'Discard order.placed at 2 in order-1' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Discard order.placed at 2 in order-1' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
    await page.getByRole('article').nth(1).waitFor({ state: 'detached' });

    expect(await textsOf(page, 'h3')).toEqual(['order.placed at 3 in order-1']);
    expect((await app.get('/stats')).json).toMatchObject({ deadLetters: 1 });
  });

  it('finds dead letters, and retries or discards all that match', async () => {
    const app = await start('Express', { logger: new RecordingNestLogger() });
    for (const stream of ['order-1', 'order-1', 'order-2', 'order-3'])
      await app.store.append(stream, { type: 'order.placed', data: { euros: 99 } });
    await app.app.get(StreamSubscriptions).whenSettled();
    const page = await open(app, '/page/index.html#/dead-letters');
    await page.getByRole('article').nth(3).waitFor();

    await page.getByLabel('Error').fill('no such thing');
    await page.keyboard.press('Enter');
    await page.getByText('None that matches.').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByLabel('Stream').fill('order-1');
    await page.keyboard.press('Enter');
    await page.getByRole('article').nth(2).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Discard all that match' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
    await page.getByText('2 of 2 were given up.').waitFor();
    await page.getByText('None that matches.').waitFor();

    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByRole('button', { name: 'Retry all' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
    await page.getByText('0 of 2 were handled, 2 failed again.').waitFor();
    app.app.get(Billing).refuses = false;
    await page.getByRole('button', { name: 'Retry all' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Retry all' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
    await page.getByText('2 of 2 were handled.').waitFor();

    expect((await app.get('/stats')).json).toMatchObject({ deadLetters: 0 });
    await page.getByText('None: handlers have handled every event').waitFor();
  });

  it('says why a retry failed, and offers none when the endpoints only read', async () => {
    const logger = new RecordingNestLogger();
    const app = await start('Fastify', { logger });
    await app.store.append('order-1', { type: 'order.placed', data: { euros: 96 } });
    await app.app.get(StreamSubscriptions).whenSettled();
    const page = await open(app, '/page/index.html#/dead-letters');

    await page.getByRole('button', { name: /^Retry order/ }).click();
    await page.getByText(/billing failed on event .* again/).waitFor();
    // Browsers report every answer that is an error.
    expect(faults.splice(0)).toEqual([expect.stringContaining('409')]);

    const readOnly = await start('Fastify', { logger, http: { readOnly: true } });
    await readOnly.store.append('order-1', { type: 'order.placed', data: { euros: 96 } });
    await readOnly.app.get(StreamSubscriptions).whenSettled();
    const other = await open(readOnly, '/page/index.html#/dead-letters');
    await other.getByRole('article').waitFor();
    expect(await other.getByRole('button').count()).toBe(0);
  });

  it('works with the keyboard alone', async () => {
    const app = await start();
    await app.store.append('order-1', { type: 'order.placed', data: { euros: 12 } });
    const page = await open(app);
    await page.locator('.events li').waitFor();

    const passed: (string | null)[] = [];
    for (let tab = 0; tab < 14; tab++) {
      await page.keyboard.press('Tab');
      passed.push(await page.locator(':focus').textContent());
    }
    await page.locator('.events summary').focus();
    await page.keyboard.press('Enter');
    await page.getByText('"euros"').waitFor();

    expect(passed[0]).toBe('Skip to the content');
    expect(passed).toEqual(expect.arrayContaining(['Events', 'Handlers', 'Live', 'All streams', 'order-11']));
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
  });

  it('tells what it is made of to those who do not see it', async () => {
    const app = await start();
    await appendADay(app.store, NOW);
    const page = await open(app);
    await page.locator('canvas').waitFor();

    // As assistive technology gets it: a line for each element, its role and then its name.
    const outline = await page.locator('body').ariaSnapshot();
    const unnamed = outline
      .split('\n')
      .filter((line) => /- (?:link|button|img|textbox|searchbox|navigation)\W*$/.test(line));
    expect(unnamed).toEqual([]);
    for (const named of ['navigation "Views"', 'searchbox "Streams"', 'textbox "Type"', 'button "Live" [pressed]']) {
      expect(outline).toContain(named);
    }
    expect(outline).toMatch(/img "All events: 300 from .* The busiest moment has \d+ events\."/);
    expect(await page.locator('main').count()).toBe(1);
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    expect(await page.locator('[role=status]').getAttribute('aria-live')).toBe('polite');
    expect(await page.locator('.streams [aria-current]').textContent()).toContain('All streams');
  });

  const VIEWS = ['/page', '/page/index.html#/handlers', '/page/index.html#/dead-letters'];

  it.each([
    ['light', 1_120],
    ['dark', 390],
  ] as const)('breaks no rule of accessibility that axe knows, in %s, %d pixels wide', async (colorScheme, width) => {
    const app = await start();
    await appendADay(app.store, NOW);
    await app.app.get(StreamSubscriptions).whenSettled();

    for (const view of VIEWS) {
      const page = await open(app, view, { colorScheme, viewport: { width, height: 780 } });
      await page.locator('canvas, tbody, article').first().waitFor();
      await page.locator('summary, h2').first().click();
      expect([view, await violationsOf(page)]).toEqual([view, []]);
      if (!view.includes('dead')) continue;
      await page
        .getByRole('button', { name: /^Discard/ })
        .first()
        .click();
      expect(['dialog', await violationsOf(page)]).toEqual(['dialog', []]);
    }
  });

  it.each(VIEWS)('has room on a telephone: %s', async (view) => {
    const app = await start();
    await appendADay(app.store, NOW);
    await app.app.get(StreamSubscriptions).whenSettled();
    const page = await open(app, view, { viewport: { width: 390, height: 780 } });
    await page.locator('canvas, tbody, article').first().waitFor();

    const width = await page.evaluate('document.documentElement.scrollWidth');

    expect(width).toBeLessThanOrEqual(390);
  });
});

/** What is wrong by the rules of WCAG, and by what is good practice. */
async function violationsOf(page: Page): Promise<string[]> {
  // The page lets no script in, but for those that were there before it.
  const { violations } = await page.evaluate<AxeResults>('axe.run()');
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
