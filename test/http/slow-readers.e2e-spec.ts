import { get as httpGet, type IncomingMessage } from 'node:http';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { newFile } from '../sqlite/sqlite-files.js';
import { compiledApp, startChildWith } from '../support/processes/child-app.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

const READERS = 10;
/** In MB. What the readers are given altogether, it could not hold; a page for each of them, it can. */
const HEAP = 512;
/** Of 1 MB each. */
const EVENTS = scaled(60, 28);

let app: string;

beforeAll(async () => {
  app = await compiledApp(resolve(import.meta.dirname, 'fixtures/large-events-app.ts'));
});

jest.setTimeout(scaledTimeLimit(180_000));

const opened: IncomingMessage[] = [];

afterEach(() => {
  for (const response of opened.splice(0)) response.destroy();
});

/** A reader that takes what comes in small parts, with pauses, and keeps nothing. */
class SlowReader {
  /** Resolves when as many bytes have come, and rejects when less will. */
  readonly whole: Promise<void>;

  constructor(url: string, accept: string, bytes: number) {
    this.whole = new Promise((resolve, reject) => {
      httpGet(url, { agent: false, headers: { accept } }, (response) => {
        opened.push(response);
        this.#take(response, accept, bytes).then(resolve, reject);
      }).on('error', reject);
    });
    this.whole.catch(() => undefined);
  }

  async #take(response: IncomingMessage, accept: string, bytes: number): Promise<void> {
    let taken = 0;
    for await (const chunk of response) {
      taken += (chunk as Buffer).length;
      if (taken >= bytes) return;
      await pause(1);
    }
    throw new Error(`${accept}: it answered ${response.statusCode} with ${taken} bytes of ${bytes}`);
  }
}

/** What they ask for, and how many bytes at least they are to get. A page ends when it has 8 MiB. */
const WAYS: readonly (readonly [accept: string, path: string, bytes: number])[] = [
  ['application/json', '/events?limit=1000', Math.min(EVENTS, 7) * 1_000_000],
  ['application/x-ndjson', '/events?from=2000-01-01', EVENTS * 1_000_000],
  ['text/event-stream', '/streams/large/events', EVENTS * 1_000_000],
];

describe.each(['memory', 'sqlite'])('with the %s engine', (kind) => {
  it(`${READERS} slow readers of each kind get events of 1 MB from a process with a heap of ${HEAP} MB`, async () => {
    const child = startChildWith([`--max-old-space-size=${HEAP}`], app, kind, newFile(), String(EVENTS));
    const [serving] = await child.said(/^serves/);
    const url = `${serving.split(' ')[1]}/event-store`;

    const readers = WAYS.flatMap(([accept, path, bytes]) =>
      Array.from({ length: READERS }, () => new SlowReader(url + path, accept, bytes)),
    );
    const hasEnded = child.ended.then(({ code, signal }) => `the process ended with ${signal ?? code}`);
    const hasAll = Promise.all(readers.map(({ whole }) => whole)).then(() => 'all came');
    // When the process ends, the readers fail first.
    const outcome = hasAll.catch((error: unknown) => Promise.race([hasEnded, pause(2_000, String(error))]));

    expect(await Promise.race([hasEnded, outcome])).toBe('all came');
  });
});
