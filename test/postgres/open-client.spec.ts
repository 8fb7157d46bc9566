import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { compiledApp, startChild } from '../support/processes/child-app.js';

it('says how to install pg when it is missing', async () => {
  const child = startChild(await compiledApp(join(import.meta.dirname, 'fixtures/driverless-app.ts')));

  await child.ended;

  expect(child.lines).toEqual([
    'VALIDATION_FAILED Invalid postgresEngine.connectionString: it needs the package pg, which could not be loaded: ' +
      'run "npm install pg", or hand in a pool.',
  ]);
});
