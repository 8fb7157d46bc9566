import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type EventStore } from 'nestjs-stream-store';
import { dataOf, take } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { anyName } from '../support/texts.js';

const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '../x',
  '..',
  '.',
  '/',
  '/etc/passwd',
  '*',
  '**',
  'order-*',
  '?',
  '%2F',
  '%00',
  'a/b',
  'a%2Fb',
  'a b',
  ' a b',
  'a b ',
  'A B',
  'é',
  'e\u0301',
  '0',
  '-1',
  'null',
  'undefined',
  'NaN',
  'true',
  '[object Object]',
  'stream:x pos:1',
  'x time:2024-01-01T00:00:00Z',
  '"; DROP TABLE events; --',
  '{"a":1}',
  '🚀',
  '\u2028',
  'x'.repeat(512),
  '🚀'.repeat(512),
];

async function storeOfNames(): Promise<EventStore> {
  const store = await openTestStore();
  for (const name of NAMES) await store.append(name, { type: name, data: name, id: name, metadata: { [name]: name } });
  return store;
}

describe('a name is an ordinary name', () => {
  it('as a stream, and no two of them are one', async () => {
    const store = await storeOfNames();

    for (const name of NAMES) {
      const events = await store.readStream(name);
      expect(dataOf(events)).toEqual([name]);
      expect(events[0]).toMatchObject({ streamId: name, type: name, id: name, position: 1 });
      expect(JSON.stringify(events[0].metadata)).toBe(JSON.stringify({ [name]: name }));
      expect(await store.getStreamInfo(name)).toMatchObject({ streamId: name, eventCount: 1 });
    }
    expect((await store.getStreams()).map(({ streamId }) => streamId).sort()).toEqual([...NAMES].sort());
  });

  it('in a filter by stream or type, where only "*" is more', async () => {
    const store = await storeOfNames();

    for (const name of NAMES) {
      const ofStream = await store.readAll({ filter: { stream: name } });
      const ofType = await store.readAll({ filter: { types: [name] } });
      expect(dataOf(ofStream.events)).toEqual([name]);
      if (!name.includes('*')) expect(dataOf(ofType.events)).toEqual([name]);
    }
    expect((await store.readAll({ filter: { streams: '*' } })).events).toHaveLength(NAMES.length);
  });

  it('as the target of a subscription', async () => {
    const store = await storeOfNames();

    for (const name of NAMES) {
      // As a text, one with a star may be meant as a pattern: it is refused.
      if (!name.includes('*')) expect(dataOf(await take(store.subscribe(name), 1))).toEqual([name]);
      expect(dataOf(await take(store.subscribe({ stream: name }), 1))).toEqual([name]);
    }
  });

  it('and leaves the objects of the process alone', async () => {
    await storeOfNames();

    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>).data).toBeUndefined();
  });

  it('whatever well-formed text it is', async () => {
    const store = await openTestStore();
    await fc.assert(
      fc.asyncProperty(anyName(), async (streamId) => {
        const { revision } = await store.append(streamId, { type: streamId, id: streamId });
        const [event] = await store.readStream(streamId, revision - 1);
        expect(event).toMatchObject({ streamId, type: streamId, id: streamId });
      }),
      { numRuns: 300 },
    );
  });
});
