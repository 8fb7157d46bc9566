import { describe, expect, it } from '@jest/globals';
import { type EventStore, openEventStore, StoreClosedError } from 'nestjs-stream-store';
import { createEventStore } from '../../lib/open-event-store.js';
import { numbered, rejectionOf, take } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

type Call = [name: string, call: (store: EventStore) => unknown];

const VERBS: Call[] = [
  ['append', (store) => store.append('a', { type: 't' })],
  ['append of an empty batch', (store) => store.append('a', [])],
  ['read', (store) => store.read('a')],
  ['readStream', (store) => store.readStream('a')],
  ['readAll', (store) => store.readAll()],
  ['readTimeRange', (store) => store.readTimeRange()],
  ['replay', (store) => take(store.replay())],
  ['subscribe', (store) => take(store.subscribe('a'))],
  ['getStreams', (store) => store.getStreams()],
  ['getStreamInfo', (store) => store.getStreamInfo('a')],
  ['snapshot', (store) => store.snapshot()],
  ['stats', (store) => store.stats()],
  ['sweep', (store) => store.sweep()],
  ['open', (store) => store.open()],
];

/** Verbs that ask the engine, and what they ask it. */
const ASKING_VERBS: Call[] = VERBS.filter(([name]) => !['snapshot', 'open', 'sweep'].includes(name));

describe('a closed store', () => {
  it.each(VERBS)('answers %s with a StoreClosedError', async (_, call) => {
    const store = await openTestStore({ name: 'orders-store' });
    await store.append('a', { type: 't' });
    await store.close();

    const error = await rejectionOf((async () => call(store))());

    expect(error).toBeInstanceOf(StoreClosedError);
    expect(error).toMatchObject({ code: 'STORE_CLOSED', storeName: 'orders-store' });
  });

  it.each(VERBS)('answers %s with a StoreClosedError also when it was never opened', async (_, call) => {
    const store = createEventStore();
    await store.close();

    expect(await rejectionOf((async () => call(store))())).toBeInstanceOf(StoreClosedError);
  });

  it('refuses at once, before close has finished', async () => {
    const store = await openTestStore({ engine: lateEngine() });
    const closing = store.close();

    const error = await rejectionOf(store.append('a', { type: 't' }));
    await closing;

    expect(error).toBeInstanceOf(StoreClosedError);
  });

  it('can be closed again', async () => {
    const engine = lateEngine();
    const store = await openTestStore({ engine });

    await Promise.all([store.close(), store.close()]);
    await store.close();

    expect(engine.asked.filter((verb) => verb === 'close')).toHaveLength(1);
  });

  it('is made by "await using" too', async () => {
    const store = await openEventStore();

    await store[Symbol.asyncDispose]();

    expect(await rejectionOf(store.stats())).toBeInstanceOf(StoreClosedError);
  });

  it('leaves no timer behind', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: '1m' });
    const before = clock.pendingTimers;
    await store.close();

    expect([before, clock.pendingTimers]).toEqual([1, 0]);
  });

  it('leaves no timer behind when it is closed while it opens', async () => {
    const clock = new ManualClock();
    const engine = lateEngine();
    const store = createEventStore({ engine, clock, retentionDuration: '1m' });
    const opening = store.open();
    await store.close();
    await opening.catch(() => undefined);
    await settled();

    expect(clock.pendingTimers).toBe(0);
    expect([engine.asked[0], engine.asked.at(-1)]).toEqual(['open', 'close']);
    expect(engine.unansweredAtClose).toEqual([]);
  });
});

describe('close', () => {
  it('lets accepted appends finish', async () => {
    const engine = lateEngine();
    const store = await openTestStore({ engine });
    engine.hold();
    const appends = Array.from({ length: 10 }, () => store.append('a', numbered(1, 2)));
    const closing = store.close();
    await settled();
    engine.release();

    const results = await Promise.all(appends);
    await closing;

    expect(results.map(({ revision }) => revision)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
    expect(engine.unansweredAtClose).toEqual([]);
  });

  it('does not resolve before accepted appends have finished', async () => {
    const engine = lateEngine();
    const store = await openTestStore({ engine });
    const order: string[] = [];
    engine.hold();
    const append = store.append('a', { type: 't' }).then(() => order.push('appended'));
    const closing = store.close().then(() => order.push('closed'));
    await settled();
    engine.release();
    await Promise.all([append, closing]);

    expect(order).toEqual(['appended', 'closed']);
  });

  it('waits for an accepted append that fails', async () => {
    const engine = lateEngine();
    const store = await openTestStore({ engine });
    engine.failNext('append', new Error('disk full'));
    const append = rejectionOf(store.append('a', { type: 't' }));
    await store.close();

    expect(await append).toMatchObject({ message: 'disk full' });
    expect(engine.unansweredAtClose).toEqual([]);
  });

  it.each(ASKING_VERBS)('comes to the engine after everything else that %s asked it was answered', async (_, call) => {
    const engine = lateEngine();
    const store = await openTestStore({ engine });
    await store.append('a', { type: 't' });
    engine.hold();
    const pending = (async () => call(store))().catch(() => undefined);
    await settled();
    const closing = store.close();
    for (let turn = 0; turn < 5; turn++) await settled();
    engine.release();
    await closing;
    await pending;

    expect(engine.unansweredAtClose).toEqual([]);
    expect(engine.asked.at(-1)).toBe('close');
  });

  it('ends a subscription that waits for events, without an error', async () => {
    const store = await openTestStore();
    await store.append('a', numbered(1, 2));
    const subscription = store.subscribe('a');
    const reading = take(subscription);
    await subscription.caughtUp();

    await store.close();

    expect(await reading).toHaveLength(2);
    expect(subscription.state).toBe('stopped');
  });

  it('ends a replay that is being read with a StoreClosedError, as it is not complete', async () => {
    const store = await openTestStore();
    await store.append('a', numbered(1, 20));
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { position } of store.replay(undefined, undefined, { batchSize: 5 })) {
        seen.push(position);
        if (position === 7) await store.close();
      }
    })();

    expect(await rejectionOf(reading)).toBeInstanceOf(StoreClosedError);
    expect(seen.length).toBeLessThan(20);
  });

  it('passes on that the engine failed to close', async () => {
    const engine = lateEngine();
    const store = await openEventStore({ engine });
    engine.failNext('close', new Error('still in use'));

    await expect(store.close()).rejects.toThrow('still in use');

    expect(await rejectionOf(store.stats())).toBeInstanceOf(StoreClosedError);
    await expect(store.close()).rejects.toThrow('still in use');
  });
});

describe('open', () => {
  it('is waited for by calls that come before it', async () => {
    const store = createEventStore({ engine: lateEngine() });

    const result = await store.append('a', { type: 't' });

    expect(result.revision).toBe(1);
    expect((await store.readAll()).events).toHaveLength(1);
    await store.close();
  });

  it('opens the engine once, whoever asks', async () => {
    const engine = lateEngine();
    const store = createEventStore({ engine });

    await Promise.all([store.open(), store.append('a', { type: 't' }), store.stats(), store.open()]);
    await store.open();

    expect(engine.asked.filter((verb) => verb === 'open')).toHaveLength(1);
    await store.close();
  });

  it('passes on the failure of the engine, and tries again with the next call', async () => {
    const engine = lateEngine();
    const store = createEventStore({ engine });
    engine.failNext('open', new Error('no server'));

    await expect(store.open()).rejects.toThrow('no server');

    expect(await store.append('a', { type: 't' })).toMatchObject({ revision: 1 });
    await store.close();
  });

  it('keeps the order of appends that came before it', async () => {
    const store = createEventStore({ engine: lateEngine() });
    const appends = [1, 2, 3].map((data) => store.append('a', { type: 't', data }));
    await Promise.all(appends);

    expect((await store.readStream('a')).map(({ data }) => data)).toEqual([1, 2, 3]);
    await store.close();
  });
});
