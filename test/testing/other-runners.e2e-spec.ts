import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { compiledApp, startChild } from '../support/processes/child-app.js';

let app: string;

beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/node-test-suite.ts'));
}, 60_000);

describe('the conformance suite in node:test', () => {
  it('runs every case, and shows the skipped ones', async () => {
    const child = startChild(app);

    const { code } = await child.ended;

    const count = (what: string): number =>
      Number(
        child.lines
          .find((line) => line.includes(`${what} `))
          ?.split(' ')
          .at(-1),
      );
    expect(code).toBe(0);
    expect(count('# pass')).toBeGreaterThan(250);
    expect(count('# skipped')).toBeGreaterThan(50);
    expect(count('# fail')).toBe(0);
  });
});
