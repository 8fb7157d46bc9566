import { it } from '@jest/globals';
import fc from 'fast-check';
import { storeDoesWhatTheModelDoes } from '../model/model-property.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';
import { engineOn, newFile } from './sqlite-files.js';

it(
  'a store on SQLite does what the model does, whatever is asked of it',
  async () => {
    await fc.assert(
      storeDoesWhatTheModelDoes(() => engineOn(newFile(), { synchronous: 'NORMAL' })),
      { numRuns: scaled(150) },
    );
  },
  scaledTimeLimit(120_000),
);
