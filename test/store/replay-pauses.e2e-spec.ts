import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { compiledApp, startChild } from '../support/processes/child-app.js';

it('lets more than ten replays pause at once, and Node does not take them for a leak', async () => {
  const app = startChild(await compiledApp(join(import.meta.dirname, 'fixtures/pausing-app.ts')));

  expect(await app.said(/^warnings:/)).toEqual(['warnings: none']);
});
