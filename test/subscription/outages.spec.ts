import { afterEach, expect, it } from '@jest/globals';
import { END, START, StorageCorruptedError, StorageFailedError, StorageUnavailableError } from 'nestjs-stream-store';
import { ManualClock } from 'nestjs-stream-store/testing';
import { aroundEngine } from '../support/engines/around-engine.js';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

afterEach(settled);

/** A store whose storage can be made unavailable for reads. */
async function openFragileStore() {
  const clock = new ManualClock('2024-01-01T00:00:00Z');
  const warnings: string[] = [];
  const away: Error = new StorageUnavailableError('storage', false, new Error('the server starts'));
  const storage = { isDown: false, reads: 0, failure: away };
  const engine = aroundEngine(async (verb, ask) => {
    if (verb !== 'readAll' && verb !== 'readStream') return ask();
    storage.reads++;
    if (storage.isDown) throw storage.failure;
    return ask();
  });
  const logger = { warn: (text: string) => void warnings.push(text), error: () => undefined };
  const store = await openTestStore({ engine, clock, logger });
  return { store, clock, storage, warnings };
}

it('waits for a storage that is not available, and goes on without a gap or a repeat', async () => {
  const { store, clock, storage, warnings } = await openFragileStore();
  await store.append('orders', numbered(1, 2));
  const subscription = store.subscribe('orders', START);
  const reader = collect(subscription);
  await reader.reached(2);

  storage.isDown = true;
  await store.append('orders', numbered(3, 3));
  await clock.advance(30_000);
  storage.isDown = false;
  await store.append('orders', numbered(4, 4));
  await clock.advance(5_000);

  await reader.reached(4);
  expect(dataOf(reader.items)).toEqual([1, 2, 3, 4]);
  expect(subscription.state).not.toBe('stopped');
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain('the subscription to stream "orders" waits');
});

it('asks less and less often', async () => {
  const { store, clock, storage } = await openFragileStore();
  collect(store.subscribe({ all: true }, START));
  await settled();
  storage.isDown = true;
  storage.reads = 0;

  await store.append('orders', numbered(1, 1));
  await clock.advance(60_000);

  // 100 ms, 200 ms, … 3.2 s, and then every 5 s.
  expect(storage.reads).toBeGreaterThan(15);
  expect(storage.reads).toBeLessThan(21);
  storage.isDown = false;
});

it('waits for its beginning, too', async () => {
  const { store, clock, storage } = await openFragileStore();
  await store.append('orders', numbered(1, 1));
  storage.isDown = true;
  const reader = collect(store.subscribe('orders', END));
  await clock.advance(1_000);
  storage.isDown = false;
  await clock.advance(5_000);

  await store.append('orders', numbered(2, 2));

  await reader.reached(1);
  expect(dataOf(reader.items)).toEqual([2]);
});

it('can be closed while it waits', async () => {
  const { store, storage } = await openFragileStore();
  const subscription = store.subscribe('orders', START);
  const reader = collect(subscription);
  await settled();
  storage.isDown = true;
  await store.append('orders', numbered(1, 1));
  await settled();

  await subscription.close();

  await reader.ended;
  expect(subscription.state).toBe('stopped');
  storage.isDown = false;
});

it.each([
  ['a failure of the storage', new StorageFailedError('storage', new Error('permission denied'))],
  ['an error of the engine', new Error('permission denied')],
])('waits for the end of %s, with pauses of up to half a minute, and says so once', async (_what, failure) => {
  const { store, clock, storage, warnings } = await openFragileStore();
  storage.failure = failure;
  const subscription = store.subscribe('orders', START);
  const reader = collect(subscription);
  await settled();
  storage.isDown = true;
  storage.reads = 0;

  await store.append('orders', numbered(1, 1));
  await clock.advance(600_000);
  expect(storage.reads).toBeGreaterThan(20);
  expect(storage.reads).toBeLessThan(32);
  expect(subscription.outage).toMatchObject({ error: failure });
  expect(subscription.outage!.durationMs).toBeGreaterThan(599_000);
  storage.isDown = false;
  await clock.advance(30_000);

  await reader.reached(1);
  expect(dataOf(reader.items)).toEqual([1]);
  expect(subscription.outage).toBeUndefined();
  expect(warnings).toHaveLength(1);
});

it('does not wait when the storage is damaged', async () => {
  const { store, storage } = await openFragileStore();
  storage.failure = new StorageCorruptedError('storage', 'a page is missing');
  const reader = collect(store.subscribe('orders', START));
  await settled();
  storage.isDown = true;

  await store.append('orders', numbered(1, 1));

  await expect(reader.ended).rejects.toBe(storage.failure);
  storage.isDown = false;
});

it('ends at once when it is closed during a read that is never answered', async () => {
  let isSilent = false;
  let answer!: (page: unknown) => void;
  const unanswered = new Promise<unknown>((resolve) => (answer = resolve));
  const engine = aroundEngine((verb, ask) => (isSilent && verb === 'readAll' ? unanswered.then(ask) : ask()));
  const store = await openTestStore({ engine });
  const subscription = store.subscribe({ all: true }, START);
  const reader = collect(subscription);
  await settled();
  isSilent = true;
  await store.append('orders', numbered(1, 1));
  await settled();

  await subscription.close();

  await reader.ended;
  expect(subscription.state).toBe('stopped');
  isSilent = false;
  answer(undefined);
});
