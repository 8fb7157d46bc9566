import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { compiledApp, startChild } from '../../support/processes/child-app.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stream-store-deadly-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('an event that ends the process is dead-lettered after as many attempts as any other, and the rest is handled', async () => {
  const app = await compiledApp(join(import.meta.dirname, 'fixtures/deadly-app.ts'));
  const ends: (NodeJS.Signals | null)[] = [];
  let lines: readonly string[] = [];
  // The first start does not suspect anything yet; two attempts are counted after it.
  for (let start = 1; start <= 4; start++) {
    const child = startChild(app, folder);
    ends.push((await child.ended).signal);
    lines = child.lines;
  }

  expect(ends).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL', null]);
  expect(lines.at(-2)).toBe('handled 3, attempt 1');
  expect(lines.at(-1)).toBe('settled, dead letters: 2');
});
