import { describe, expect, it } from '@jest/globals';
import { createEventId } from 'nestjs-stream-store';
import { EventIdSequence } from '../../lib/store/values/event-id.js';
import { numbered } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { scaled } from '../support/scale.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NOW = Date.UTC(2024, 0, 1);

const timeOf = (id: string): number => parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

describe('createEventId', () => {
  it('gives UUIDs of version 7 that begin with the time', () => {
    const ids = [0, 1, NOW, NOW + 1, 2 ** 48 - 1].map((now) => [now, createEventId(now)] as const);

    for (const [now, id] of ids) {
      expect(id).toMatch(UUID_V7);
      expect(timeOf(id)).toBe(now);
    }
  });

  it('gives another one each time', () => {
    const ids = new Set(Array.from({ length: 100_000 }, () => createEventId(NOW)));

    expect(ids.size).toBe(100_000);
  });

  it('gives ids that sort by time', () => {
    const ids = [1, 10, 1_000, NOW, NOW + 1, 2 ** 41].map(createEventId);

    expect([...ids].sort()).toEqual(ids);
  });
});

describe('a sequence of ids', () => {
  const seeds = [new Uint32Array([0, 0, 0]), new Uint32Array([1, 2, 3]), new Uint32Array(3).fill(0xffff_ffff)];

  it('gives UUIDs of version 7 that begin with the time', () => {
    for (const seed of seeds) {
      const sequence = new EventIdSequence(seed);
      for (const position of [1, 2, 4_096, 2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
        const id = sequence.idOf(position, NOW + (position % 1_000));
        expect(id).toMatch(UUID_V7);
        expect(timeOf(id)).toBe(NOW + (position % 1_000));
      }
    }
  });

  it('gives the same id for the same seed, time and position', () => {
    const ids = [1, 2].map(() => new EventIdSequence(new Uint32Array([7, 8, 9])).idOf(123_456, NOW));

    expect(ids[1]).toBe(ids[0]);
  });

  it.each([[0], [1], [2]])('never gives two positions the same id (seed %i)', (which) => {
    const sequence = new EventIdSequence(seeds[which]);
    const count = scaled(100_000);
    const ids = new Set<string>();
    for (let position = 1; position <= count; position++) ids.add(sequence.idOf(position, NOW));

    expect(ids.size).toBe(count);
  });

  it('gives another sequence other ids', () => {
    const [one, other] = [new EventIdSequence(), new EventIdSequence()];

    expect(one.idOf(1, NOW)).not.toBe(other.idOf(1, NOW));
  });
});

describe('the id that the store gives', () => {
  it('stays the same, however often and whichever way the event is read', async () => {
    const store = await openTestStore();
    await store.append('a', numbered(1, 3));
    const ids = (await store.readStream('a')).map(({ id }) => id);

    const { events } = await store.readAll();
    const [info] = await store.readTimeRange(undefined, undefined, { limit: 1 });

    expect(new Set(ids).size).toBe(3);
    expect(events.map(({ id }) => id)).toEqual(ids);
    expect(info.id).toBe(ids[0]);
  });

  it('differs between stores', async () => {
    const stores = [await openTestStore(), await openTestStore()];
    const ids = [];
    for (const store of stores) {
      await store.append('a', { type: 't' });
      ids.push((await store.readStream('a'))[0].id);
    }

    expect(ids[0]).not.toBe(ids[1]);
  });
});
