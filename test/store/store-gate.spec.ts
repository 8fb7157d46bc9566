import { getMaxListeners } from 'node:events';
import { expect, it } from '@jest/globals';
import { StoreGate } from '../../lib/store/store-gate.js';

it('lets any number of replays wait for the close, without a warning of a leak', () => {
  const gate = new StoreGate('main-store', () => undefined);

  expect(getMaxListeners(gate.closing)).toBe(0);
});
