import { describe, expect, it } from '@jest/globals';
import { type EventStore, EventStoreError } from 'nestjs-stream-store';
import { dataOf, numbered, take } from '../support/events.js';
import type { ManualClock } from '../support/waiting/manual-clock.js';
import { MINUTE, storeWithRetention } from '../support/store-with.js';

/** Events 1 and 2, and six minutes later 3 and 4. */
async function storeOfTwoAges(): Promise<{ store: EventStore; clock: ManualClock }> {
  const { store, clock } = await storeWithRetention();
  await store.append('old', numbered(1, 2));
  clock.jump(6 * MINUTE);
  await store.append('new', numbered(3, 4));
  return { store, clock };
}

describe('a replay under retention', () => {
  it('does not give what had expired before it was made, whether it was removed yet or not', async () => {
    const { store, clock } = await storeOfTwoAges();
    clock.jump(5 * MINUTE);
    const hidden = await take(store.replay());
    await store.sweep();
    const removed = await take(store.replay());

    expect(dataOf(hidden)).toEqual([3, 4]);
    expect(dataOf(removed)).toEqual([3, 4]);
  });

  it('ends at once when everything had expired before it was made', async () => {
    const { store, clock } = await storeOfTwoAges();
    clock.jump(60 * MINUTE);
    const hidden = await take(store.replay());
    await store.sweep();

    expect([hidden, await take(store.replay())]).toEqual([[], []]);
  });

  it('is complete, or fails, when what it was to cover expires while it runs', async () => {
    const { store, clock } = await storeOfTwoAges();
    const seen: unknown[] = [];
    const outcome = await (async () => {
      for await (const { data } of store.replay(undefined, undefined, { batchSize: 1 })) {
        seen.push(data);
        clock.jump(20 * MINUTE);
      }
    })().then(
      () => `${seen.length} of 4`,
      (error: unknown) => (error instanceof EventStoreError ? 'told' : String(error)),
    );

    expect(['4 of 4', 'told']).toContain(outcome);
  });

  it('fails when what it was to cover is removed before it came to it', async () => {
    const { store, clock } = await storeOfTwoAges();
    const replay = store.replay(undefined, undefined, { batchSize: 1 });
    clock.jump(60 * MINUTE);
    await store.sweep();

    await expect(take(replay)).rejects.toBeInstanceOf(EventStoreError);
  });

  it('fails when what it was to cover is removed between two batches', async () => {
    const { store, clock } = await storeOfTwoAges();
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { data } of store.replay(undefined, undefined, { batchSize: 1 })) {
        seen.push(data);
        clock.jump(60 * MINUTE);
        await store.sweep();
      }
    })();

    await expect(reading).rejects.toBeInstanceOf(EventStoreError);
    expect(seen).toEqual([1]);
  });

  it('fails when a later event of its range is removed although the next one is still there', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('s', [
      { type: 't', data: 'first', timestamp: 10 },
      { type: 't', data: 'last', timestamp: 30 },
    ]);
    clock.jump(6 * MINUTE);
    await store.append('s', { type: 't', data: 'late', timestamp: 20 });
    const seen: unknown[] = [];
    const outcome = await (async () => {
      for await (const { data } of store.replay(undefined, undefined, { batchSize: 1 })) {
        seen.push(data);
        if (data !== 'first') continue;
        clock.jump(5 * MINUTE);
        await store.sweep();
      }
    })().then(
      () => seen.join(),
      (error: unknown) => (error instanceof EventStoreError ? 'told' : String(error)),
    );

    expect(['first,late,last', 'told']).toContain(outcome);
  });

  it('goes on when only what it has given already is removed', async () => {
    const { store, clock } = await storeOfTwoAges();
    const seen: unknown[] = [];
    for await (const { data } of store.replay(undefined, undefined, { batchSize: 1 })) {
      seen.push(data);
      if (data !== 2) continue;
      clock.jump(5 * MINUTE);
      await store.sweep();
    }

    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('goes on when only events before its range are removed', async () => {
    const { store, clock } = await storeOfTwoAges();
    const replay = store.replay(clock.now() - MINUTE);
    clock.jump(5 * MINUTE);
    await store.sweep();

    expect(dataOf(await take(replay))).toEqual([3, 4]);
  });

  it('goes on when only events that its filter does not want are removed', async () => {
    const { store, clock } = await storeOfTwoAges();
    const replay = store.replay(undefined, undefined, { filter: { stream: 'new' } });
    clock.jump(5 * MINUTE);
    await store.sweep();

    expect(dataOf(await take(replay))).toEqual([3, 4]);
  });
});
