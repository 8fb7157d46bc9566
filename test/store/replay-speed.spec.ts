import { describe, expect, it } from '@jest/globals';
import { type EventStore, StoreClosedError } from 'nestjs-stream-store';
import { rejectionOf, take } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

describe('replay at a speed', () => {
  const clock = new ManualClock();

  /** Events at 0 s, 0 s, 10 s and 70 s. */
  async function storeWithPauses(): Promise<EventStore> {
    const store = await openTestStore({ clock });
    for (const [data, timestamp] of [0, 0, 10_000, 70_000].entries())
      await store.append('s', { type: 't', data, timestamp });
    return store;
  }

  it.each([
    [1, [0, 0, 10_000, 70_000]],
    [60, [0, 0, 10_000 / 60, 70_000 / 60]],
    [0.5, [0, 0, 20_000, 140_000]],
  ])('%d keeps the pauses between the events', async (speed, expected) => {
    const store = await storeWithPauses();
    const beganAt = clock.now();
    const times: number[] = [];
    const reading = (async () => {
      for await (const { data } of store.replay(undefined, undefined, { speed }))
        times[data as number] = clock.now() - beganAt;
    })();
    await clock.advance(140_001);
    await reading;

    expect(times).toHaveLength(4);
    times.forEach((time, index) => expect(time).toBeCloseTo(expected[index], 3));
  });

  it('gives events of one moment as one batch', async () => {
    const store = await storeWithPauses();
    const reading = take(store.replay(undefined, undefined, { speed: 1 }).batches());
    await clock.advance(70_000);

    expect((await reading).map(({ length }) => length)).toEqual([2, 1, 1]);
  });

  it('keeps the pauses between pages too', async () => {
    const store = await storeWithPauses();
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { data } of store.replay(undefined, undefined, { speed: 1, batchSize: 1 })) seen.push(data);
    })();
    await clock.advance(9_999);
    const before = [...seen];
    await clock.advance(1);

    expect(before).toEqual([0, 1]);
    expect(seen).toEqual([0, 1, 2]);
    await clock.advance(60_000);
    await reading;
  });

  it('is as fast as the reader when no speed is named', async () => {
    const store = await storeWithPauses();

    expect(await take(store.replay())).toHaveLength(4);
    expect(clock.pendingTimers).toBe(0);
  });

  it('leaves no timer behind when the reader leaves the loop', async () => {
    const store = await storeWithPauses();
    const events = store.replay(undefined, undefined, { speed: 1 })[Symbol.asyncIterator]();
    await events.next();
    await events.next();
    const pending = events.next();
    await settled();
    const during = clock.pendingTimers;
    await events.return!();

    expect(await pending).toEqual({ done: true, value: undefined });
    expect(during).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is aborted in the middle of a pause', async () => {
    const store = await storeWithPauses();
    const leaving = new AbortController();
    const reading = take(store.replay(undefined, undefined, { speed: 1, signal: leaving.signal }));
    const outcome = rejectionOf(reading);
    await clock.advance(5_000);
    leaving.abort('enough');

    expect(await outcome).toMatchObject({ code: 'OPERATION_ABORTED', cause: 'enough' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends in the middle of a pause when the store closes', async () => {
    const store = await storeWithPauses();
    let outcome: unknown;
    const reading = take(store.replay(undefined, undefined, { speed: 1 })).then(
      () => (outcome = 'complete'),
      (error: unknown) => (outcome = error),
    );
    await clock.advance(5_000);
    await store.close();
    await settled();
    const whenClosed = outcome;
    const timersWhenClosed = clock.pendingTimers;
    await clock.advance(70_000);
    await reading;

    expect(whenClosed).toBeInstanceOf(StoreClosedError);
    expect(timersWhenClosed).toBe(0);
  });
});
