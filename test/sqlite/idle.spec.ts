import { expect, it } from '@jest/globals';
import { numbered } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { countingEngine, openIdle } from '../support/waiting/idle-subscriptions.js';
import { openTestStore } from '../support/open-test-store.js';
import { engineOn, newFile } from './sqlite-files.js';

it('200 subscriptions of all kinds that rest ask one question a second, and get what another process appends', async () => {
  const file = newFile();
  const { engine, calls } = countingEngine(engineOn(file), true);
  const store = await openTestStore({ engine });
  const other = await openTestStore({ engine: engineOn(file) });
  for (let index = 0; index < 7; index++) await store.append(`order-${index}`, numbered(1, 3));
  const idle = await openIdle(store, 200);
  const settledAt = calls('streamEnds');
  await eventually('a first look', () => calls('streamEnds') > settledAt);
  const [before, looks] = [calls(), calls('readAll')];

  await eventually('three more', () => calls('readAll') >= looks + 3);

  expect(calls() - before).toBeLessThanOrEqual(4);
  await other.append('order-0', numbered(4, 4));
  await eventually('the event', () => idle[0].reader.items.length === 4 && idle[2].reader.items.length === 22);
});
