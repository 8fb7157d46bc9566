import { describe, expect, it } from '@jest/globals';
import { readAll } from '../../lib/postgres/queries/read-all.js';
import { readStream } from '../../lib/postgres/queries/read-stream.js';
import type { Row } from '../../lib/postgres/query.js';

const COUNT = 9;

/** The rows of a page with nine events, as a plan may give them that keeps no order. */
function shuffled(before: readonly (string | null)[]): Row[] {
  const order = [4, 1, 9, 7, 2, 8, 3, 6, 5];
  return order.map((n) => [...before, String(n), String(n), `event-${n}`, 'placed', String(n), null, '1', null]);
}

const page = { limit: 100, maxBytes: 1_000, recordedSince: -Infinity };

describe.each([
  ['forward', 0, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ['backward', Infinity, [9, 8, 7, 6, 5, 4, 3, 2, 1]],
] as const)('a page that is read %s', (direction, after, inOrder) => {
  it('of the log is in order, whatever the order of the rows', () => {
    const { events, globalPosition } = readAll('s', { ...page, after, direction, filter: undefined }).answer(
      shuffled([String(COUNT), '0', null, null, 'stream']),
    );

    expect(events.map((event) => event.globalPosition)).toEqual(inOrder);
    expect(globalPosition).toBe(inOrder.at(-1));
  });

  it('of a stream is in order, whatever the order of the rows', () => {
    const { events, position } = readStream('s', {
      ...page,
      ...{ after, direction, streamId: 'stream', types: undefined },
    }).answer(shuffled([String(COUNT), '0', null, null]));

    expect(events.map((event) => event.position)).toEqual(inOrder);
    expect(position).toBe(inOrder.at(-1));
  });
});
