import { describe, expect, it } from '@jest/globals';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingCollector } from '../support/recorders.js';
import { MINUTE, storeWithRetention } from '../support/store-with.js';

describe('sweep', () => {
  it('removes what expired and says how many', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 3));
    await store.append('b', numbered(4, 5));
    clock.jump(5 * MINUTE);
    await store.append('a', numbered(6, 6));
    clock.jump(5 * MINUTE + 1);

    expect(await store.sweep()).toBe(5);
    expect(await store.sweep()).toBe(0);
    expect(await store.stats()).toMatchObject({ totalEvents: 1, eventsExpired: 5, eventsAppended: 6 });
    expect(dataOf((await store.readAll()).events)).toEqual([6]);
  });

  it('removes nothing when nothing expired, or nothing is there', async () => {
    const { store } = await storeWithRetention();
    const empty = await store.sweep();
    await store.append('a', numbered(1, 3));

    expect([empty, await store.sweep()]).toEqual([0, 0]);
    expect(dataOf(await store.readStream('a'))).toEqual([1, 2, 3]);
  });

  it('removes thousands at once, in steps', async () => {
    const { store, clock } = await storeWithRetention();
    for (const stream of ['a', 'b', 'c']) await store.append(stream, numbered(1, 5_000));
    clock.jump(11 * MINUTE);
    await store.append('a', numbered(5_001, 5_001));

    expect(await store.sweep()).toBe(15_000);
    expect((await store.readAll()).events.map(({ globalPosition }) => globalPosition)).toEqual([15_001]);
  });

  it('may be called twice at a time', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 2_500));
    clock.jump(11 * MINUTE);

    await Promise.all([store.sweep(), store.sweep()]);

    expect((await store.stats()).eventsExpired).toBe(2_500);
  });

  it('runs by itself ten times in a period', async () => {
    const collector = new RecordingCollector();
    const { store, clock } = await storeWithRetention({ metricsCollector: collector });
    for (let minute = 0; minute < 20; minute++) {
      await store.append('a', numbered(1, 1));
      await clock.advance(MINUTE);
    }

    expect(clock.msToNextTimer).toBe(MINUTE);
    expect(collector.expiries).toHaveLength(10);
    expect((await store.stats()).eventsExpired).toBe(10);
  });

  it('goes on by itself although the one before was late', async () => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 3));
    clock.jump(60 * MINUTE);
    await clock.advance(0);

    expect((await store.stats()).eventsExpired).toBe(3);
    await store.append('a', numbered(4, 4));
    await clock.advance(20 * MINUTE);
    expect((await store.stats()).eventsExpired).toBe(4);
  });

  it('sets no timer without a retentionDuration', async () => {
    const clock = new ManualClock();
    await openTestStore({ clock });

    expect(clock.pendingTimers).toBe(0);
  });

  it('tells the metrics collector', async () => {
    const collector = new RecordingCollector();
    const { store, clock } = await storeWithRetention({ metricsCollector: collector, name: 'orders-store' });
    await store.append('a', numbered(1, 3));
    clock.jump(11 * MINUTE);
    await store.sweep();

    expect(collector.expiries).toEqual([{ store: 'orders-store', events: 3 }]);
  });

  it('gives the memory back', async () => {
    const { store, clock } = await storeWithRetention();
    const empty = (await store.stats()).memoryUsageBytes;
    for (let batch = 0; batch < 20; batch++) {
      const events = Array.from({ length: 1_000 }, () => ({ type: 't', data: 'x'.repeat(200) }));
      await store.append(`s${batch % 2}`, events);
    }
    await store.readAll({ limit: 0 });
    const full = (await store.stats()).memoryUsageBytes;
    clock.jump(11 * MINUTE);
    await store.sweep();
    const after = (await store.stats()).memoryUsageBytes;

    expect(full - empty).toBeGreaterThan(20_000 * 200);
    expect(after - empty).toBeLessThan((full - empty) / 4);
  });
});
