import { it } from '@jest/globals';
import fc from 'fast-check';
import { scaled, scaledTimeLimit } from '../support/scale.js';
import { storeDoesWhatTheModelDoes } from './model-property.js';

it(
  'the store does what the model does, whatever is asked of it',
  async () => {
    await fc.assert(
      storeDoesWhatTheModelDoes(() => undefined),
      { numRuns: scaled(3_000) },
    );
  },
  scaledTimeLimit(120_000),
);
