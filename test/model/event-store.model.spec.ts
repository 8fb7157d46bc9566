import { it } from '@jest/globals';
import fc from 'fast-check';
import { SCALE } from '../support/scale.js';
import { storeDoesWhatTheModelDoes } from './model-property.js';

it(
  'the store does what the model does, whatever is asked of it',
  async () => {
    await fc.assert(
      storeDoesWhatTheModelDoes(() => undefined),
      { numRuns: 3_000 * SCALE },
    );
  },
  120_000 * SCALE,
);
