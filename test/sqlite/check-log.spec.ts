import { expect, it } from '@jest/globals';
import { memoryEngine, openEventStore } from 'nestjs-stream-store';
import { numbered } from '../support/events.js';
import { driver, engineOn, newFile } from './sqlite-files.js';

it.each([
  ['nothing in a log that is whole', '', []],
  [
    'events that were deleted',
    'DELETE FROM events WHERE global_position IN (7, 8)',
    [
      { kind: 'missing-in-log', streamId: undefined, first: 7, last: 8 },
      { kind: 'missing-in-stream', streamId: 'b', first: 2, last: 3 },
    ],
  ],
  [
    'events that were deleted at the end',
    'DELETE FROM events WHERE global_position > 12',
    [{ kind: 'missing-in-log', streamId: undefined, first: 13, last: 15 }],
  ],
  [
    'a stream that is not listed',
    "DELETE FROM streams WHERE stream_id = 'c'",
    [{ kind: 'unlisted-stream', streamId: '#3', first: 1, last: 1 }],
  ],
  [
    'events that are in another order in the log than in their stream',
    `UPDATE events SET position = 99 WHERE global_position = 2; UPDATE events SET position = 2 WHERE global_position = 3;
     UPDATE events SET position = 3 WHERE global_position = 2`,
    [{ kind: 'out-of-order', streamId: 'a', first: 2, last: 3 }],
  ],
])('checkLog finds %s', async (_, damage, problems) => {
  const file = newFile();
  const store = await openEventStore({ engine: engineOn(file) });
  for (const streamId of ['a', 'b', 'c']) await store.append(streamId, numbered(1, 5));
  const database = new driver(file);
  database.exec(damage);
  database.close();

  expect(await store.checkLog()).toEqual({ problems, isComplete: true });
  await store.close();
});

it('finds nothing wrong with what the memory engine keeps', async () => {
  const store = await openEventStore({ engine: memoryEngine() });
  for (const streamId of ['a', 'b', 'a']) await store.append(streamId, numbered(1, 5));

  expect(await store.checkLog()).toEqual({ problems: [], isComplete: true });
  await store.close();
});
