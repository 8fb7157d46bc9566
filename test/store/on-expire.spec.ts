import { describe, expect, it } from '@jest/globals';
import { openEventStore, type RecordedEvent } from 'nestjs-stream-store';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { RecordingCollector, RecordingLogger } from '../support/recorders.js';
import { MINUTE, storeWithRetention } from '../support/store-with.js';

describe('onExpire', () => {
  it('gets the events before they are removed, oldest first, and no others', async () => {
    const archive: RecordedEvent[] = [];
    const removedBefore: number[] = [];
    const { store, clock } = await storeWithRetention({
      onExpire: async (events) => {
        await settled();
        archive.push(...events);
        removedBefore.push((await store.stats()).eventsExpired);
      },
    });
    await store.append('a', numbered(1, 2));
    await store.append('b', numbered(3, 3));
    await store.append('a', numbered(4, 4));
    const expected = (await store.readAll()).events;
    clock.jump(8 * MINUTE);
    await store.append('a', numbered(5, 5));
    clock.jump(3 * MINUTE);

    expect(await store.sweep()).toBe(4);
    expect(archive).toEqual(expected);
    expect(removedBefore).toEqual([0]);
  });

  it('gets a great many in portions of at most a thousand, each event once', async () => {
    const sizes: number[] = [];
    const positions: number[] = [];
    const { store, clock } = await storeWithRetention({
      onExpire: (events) => {
        sizes.push(events.length);
        positions.push(...events.map(({ globalPosition }) => globalPosition));
      },
    });
    await store.append('a', numbered(1, 2_500));
    clock.jump(11 * MINUTE);
    await store.sweep();

    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000);
    expect(positions).toEqual(Array.from({ length: 2_500 }, (_, index) => index + 1));
  });

  it('keeps everything when it throws, and is asked again with the same events', async () => {
    const handed: unknown[][] = [];
    let isDown = true;
    const { store, clock } = await storeWithRetention({
      onExpire: (events) => {
        handed.push(dataOf(events));
        if (isDown) throw new Error('the archive is down');
      },
    });
    await store.append('a', numbered(1, 3));
    clock.jump(11 * MINUTE);

    await expect(store.sweep()).rejects.toThrow('the archive is down');
    const expired = (await store.stats()).eventsExpired;
    isDown = false;

    expect(expired).toBe(0);
    expect(await store.sweep()).toBe(3);
    expect(handed).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  it('keeps everything when it rejects', async () => {
    const { store, clock } = await storeWithRetention({ onExpire: () => Promise.reject(new Error('later')) });
    await store.append('a', numbered(1, 3));
    const full = (await store.stats()).memoryUsageBytes;
    clock.jump(11 * MINUTE);

    await expect(store.sweep()).rejects.toThrow('later');
    expect(await store.stats()).toMatchObject({ eventsExpired: 0 });
    expect((await store.stats()).memoryUsageBytes).toBeGreaterThanOrEqual(full);
  });

  it('has its failure reported when a sweep ran by itself, and the next sweep tries again', async () => {
    const collector = new RecordingCollector();
    let calls = 0;
    const { store, clock, logger } = await storeWithRetention({
      metricsCollector: collector,
      onExpire: () => {
        if (++calls === 1) throw new Error('the archive is down');
      },
    });
    await store.append('a', numbered(1, 3));
    await clock.advance(11 * MINUTE);
    const reported = { errors: [...logger.errors], failures: [...collector.backgroundFailures] };
    await clock.advance(MINUTE);

    expect(reported.errors).toHaveLength(1);
    expect(reported.errors[0]).toContain('memory-store');
    expect(reported.failures).toEqual([{ store: 'memory-store', operation: 'sweep' }]);
    expect(calls).toBe(2);
    expect((await store.stats()).eventsExpired).toBe(3);
  });

  it('may append to the same store', async () => {
    const { store, clock } = await storeWithRetention({
      onExpire: async (events) => void (await store.append('archive', { type: 'archived', data: events.length })),
    });
    await store.append('a', numbered(1, 3));
    clock.jump(11 * MINUTE);

    expect(await store.sweep()).toBe(3);
    expect(dataOf((await store.readAll()).events)).toEqual([3]);
  });

  it('is waited for by close, and nothing is removed after it', async () => {
    let letGo = (): void => undefined;
    const archived: number[] = [];
    const { store, clock } = await storeWithRetention({
      onExpire: async (events) => {
        await new Promise<void>((resolve) => (letGo = resolve));
        archived.push(events.length);
      },
    });
    await store.append('a', numbered(1, 3));
    clock.jump(11 * MINUTE);
    const sweep = store.sweep();
    await settled();
    let isClosed = false;
    const closing = store.close().then(() => (isClosed = true));
    await settled();
    const closedBefore = isClosed;
    letGo();
    await closing;
    await sweep;

    expect(closedBefore).toBe(false);
    expect(archived).toEqual([3]);
  });
});

it('does not hold up the end of the store for ever when it does not come back', async () => {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const store = await openEventStore({
    clock,
    logger,
    retentionDuration: 1_000,
    shutdownTimeoutMs: 500,
    onExpire: () => new Promise<void>(() => undefined),
  });
  await store.append('s', { type: 't' });
  await clock.advance(2_000);

  const closing = store.close();
  await clock.advance(501);
  await closing;

  expect(logger.errors).toEqual([expect.stringMatching(/onExpire did not finish within shutdownTimeoutMs \(500 ms\)/)]);
});
