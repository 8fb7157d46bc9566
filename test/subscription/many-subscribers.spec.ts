import { afterEach, expect, it, jest } from '@jest/globals';
import { END, type RecordedEvent, START, type SubscriptionTarget } from 'nestjs-stream-store';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

afterEach(settled);

// Much is done here, also on a busy machine.
jest.setTimeout(60_000);

const KINDS: readonly [SubscriptionTarget, (event: RecordedEvent) => boolean][] = [
  ['order-1', ({ streamId }) => streamId === 'order-1'],
  [{ stream: 'order-2', types: ['counted'] }, ({ streamId }) => streamId === 'order-2'],
  [{ streams: 'order-*' }, ({ streamId }) => streamId.startsWith('order-')],
  [{ streams: '*', types: ['named'] }, ({ type }) => type === 'named'],
  [{ all: true }, () => true],
];

it('a thousand subscribers all get all their events, in order', async () => {
  const store = await openTestStore();
  const { events: none } = await store.readAll();
  const subscribers = Array.from({ length: 1_000 }, (_, index) => {
    const [target, isWanted] = KINDS[index % KINDS.length];
    const subscription = store.subscribe(target, index % 2 ? START : END, { batchSize: 1 + (index % 50) });
    return { isWanted, subscription, reader: collect(subscription, index % 7 ? undefined : () => Promise.resolve()) };
  });
  expect((await store.stats()).subscriptionsActive).toBe(1_000);

  for (let index = 1; index <= 50; index++) {
    await store.append(`order-${index % 3}`, numbered(index, index + 1));
    if (index % 5 === 0) await store.append('user-1', numbered(index, index, 'named'));
    if (index % 10 === 0) await settled();
  }
  await Promise.all(subscribers.map(({ subscription }) => subscription.caughtUp()));

  const { events } = await store.readAll({ limit: 0 });
  expect([none.length, events.length]).toEqual([0, 110]);
  for (const { isWanted, reader } of subscribers) {
    const places = reader.items.map(({ globalPosition }) => globalPosition);
    expect(places).toEqual(events.filter(isWanted).map(({ globalPosition }) => globalPosition));
  }
  await store.close();
  await Promise.all(subscribers.map(({ reader }) => reader.ended));
});

it('a thousand subscribers cost no timer and no listener on the process', async () => {
  const store = await openTestStore();
  const timersBefore = activeTimers();
  const listenersBefore = process.eventNames().length;
  const readers = Array.from({ length: 1_000 }, () => collect(store.subscribe('orders')));
  await store.append('orders', numbered(1, 1));
  await Promise.all(readers.map(({ reached }) => reached(1)));

  // Jest sets a few timers of its own meanwhile.
  expect(activeTimers() - timersBefore).toBeLessThan(10);
  expect(process.eventNames()).toHaveLength(listenersBefore);
});

it('ten thousand subscribers all get all events as they come, in order', async () => {
  const store = await openTestStore();
  const received = Array.from({ length: 10_000 }, () => ({ next: 1, isInOrder: true }));
  for (const subscriber of received) {
    store
      .subscribe('ticks', END)
      .asObservable()
      .subscribe(({ data }) => {
        subscriber.isInOrder &&= data === subscriber.next;
        subscriber.next++;
      });
  }

  for (let number = 1; number <= 20; number++) await store.append('ticks', numbered(number, number));
  while (received.some(({ next }) => next <= 20)) await settled();

  expect(received.every(({ next, isInOrder }) => next === 21 && isInOrder)).toBe(true);
  expect((await store.stats()).subscriptionsActive).toBe(10_000);
});

function activeTimers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

it.each<[string, SubscriptionTarget]>([
  ['one stream', 'orders'],
  ['all streams', { all: true }],
])('what one subscriber to %s does with its batch does not reach another', async (_what, target) => {
  const store = await openTestStore();
  const seen: unknown[] = [];
  const readers = Array.from({ length: 5 }, () =>
    collect(store.subscribe(target).batches(), (batch) => {
      seen.push(...dataOf(batch));
      // Arrays are read-only by their type alone.
      (batch as RecordedEvent[]).length = 0;
    }),
  );
  await settled();

  for (let index = 0; index < 3; index++) {
    await store.append('orders', numbered(index, index));
    await settled();
  }

  expect(readers).toHaveLength(5);
  expect(seen.sort()).toEqual([0, 1, 2].flatMap((data) => Array<number>(5).fill(data)));
});
