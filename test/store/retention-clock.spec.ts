import { describe, expect, it } from '@jest/globals';
import { memoryEngine, openEventStore, type StorageEngine } from 'nestjs-stream-store';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingLogger } from '../support/recorders.js';
import { MINUTE, storeWithRetention } from '../support/store-with.js';

const DAY = 1_440 * MINUTE;

/** A memory engine that says what time it is for the log, as one does whose log is shared, or came back from a disk. */
function engineAt(time: () => { now: number; lastRecordedAt?: number }): StorageEngine {
  const engine = memoryEngine();
  engine.time = () => ({ lastRecordedAt: undefined, ...time() });
  return engine;
}

describe('a clock that was ahead for a moment', () => {
  it.each([['read'], ['swept']])('hides nothing and removes nothing, when the store is %s meanwhile', async (how) => {
    const { store, clock } = await storeWithRetention();
    await store.append('a', numbered(1, 2));
    clock.adjust(DAY);
    const meanwhile = await store.readStream('a');
    const removed = how === 'swept' ? await store.sweep() : 0;
    clock.adjust(-DAY);

    await store.append('a', numbered(3, 4));

    expect([dataOf(meanwhile), removed]).toEqual([[1, 2], 0]);
    expect(await store.sweep()).toBe(0);
    expect(dataOf(await store.readStream('a'))).toEqual([1, 2, 3, 4]);
  });

  it('lets what is appended afterwards live as long as anything else, although time had passed with it', async () => {
    const { store, clock } = await storeWithRetention();
    clock.jump(DAY);
    await store.stats();
    clock.jump(-DAY);
    await store.append('a', numbered(1, 1));
    const { recordedAt } = (await store.readStream('a'))[0];
    clock.jump(10 * MINUTE);
    const late = await store.readStream('a');

    expect(dataOf(late)).toEqual([1]);
    expect(recordedAt.getTime()).toBe(clock.now() - 20 * MINUTE + DAY);
  });

  it('gives what is appended afterwards the time of its append', async () => {
    const { store, clock } = await storeWithRetention();
    clock.adjust(DAY);
    await store.append('a', numbered(1, 1));
    clock.adjust(-DAY);
    await store.append('a', numbered(2, 2));

    const [ahead, right] = await store.readStream('a');
    expect(right.timestamp.getTime()).toBe(clock.now());
    expect(right.recordedAt).toEqual(ahead.recordedAt);
    expect(dataOf(await store.readTimeRange(clock.now() - 1, clock.now()))).toEqual([2]);
  });
});

describe('a clock that jumps ahead', () => {
  it('is said once, and followed at twice the pace of time', async () => {
    const { store, clock, logger } = await storeWithRetention();
    await store.append('a', numbered(1, 1));
    clock.adjust(30 * MINUTE);
    await store.stats();
    clock.jump(5 * MINUTE);
    const before = await store.readStream('a');
    clock.jump(1);
    const after = await store.readStream('a');

    expect([dataOf(before), dataOf(after)]).toEqual([[1], []]);
    expect(logger.warnings).toEqual([expect.stringContaining('the clock has jumped ahead by 30 minutes')]);
  });

  it('is said again when it does so again', async () => {
    const { store, clock, logger } = await storeWithRetention();
    for (let jump = 0; jump < 2; jump++) {
      clock.adjust(5 * MINUTE);
      await store.stats();
      clock.jump(60 * MINUTE);
      await store.stats();
    }

    expect(logger.warnings).toHaveLength(2);
  });

  it('by a little is no matter', async () => {
    const { store, clock, logger } = await storeWithRetention();
    clock.adjust(1_000);
    await store.stats();

    expect(logger.warnings).toEqual([]);
  });
});

describe('a process whose clock is ahead of that of the log', () => {
  it('removes nothing, hides nothing, and says so', async () => {
    const [right, wrong, logger] = [new ManualClock(), new ManualClock(), new RecordingLogger()];
    wrong.adjust(365 * DAY);
    const engine = engineAt(() => ({ now: right.now() }));
    const store = await openTestStore({ engine, clock: wrong, logger, retentionDuration: '30d' });
    await store.append('a', numbered(1, 3));

    expect(await store.sweep()).toBe(0);
    expect(await store.readStream('a')).toHaveLength(3);
    expect(logger.warnings).toEqual([expect.stringContaining('365 days ahead of that of its memory engine')]);
  });
});

describe('a log whose last event is old when it is opened', () => {
  /** Opened two hours after its last event. */
  async function opened(quietMs: number) {
    const [clock, logger] = [new ManualClock(), new RecordingLogger()];
    const inner = memoryEngine();
    const before = await openEventStore({ engine: inner, clock });
    await before.append('a', numbered(1, 3));
    await before.close();
    clock.jump(quietMs);
    const store = await openTestStore({ engine: inner, clock, logger, retentionDuration: '1h' });
    return { clock, logger, store };
  }

  it('is hidden at once where it has expired, and removed when that is sure', async () => {
    const { store, clock } = await opened(120 * MINUTE);
    const hidden = await store.readStream('a');
    const atOnce = await store.sweep();
    clock.jump(30 * MINUTE + 1);
    const later = await store.sweep();

    expect([hidden, atOnce, later]).toEqual([[], 0, 3]);
  });

  it('is a warning when nothing would be left of it after long', async () => {
    const quiet = await opened(120 * MINUTE);
    const silent = await opened(365 * DAY);

    expect(quiet.logger.warnings).toEqual([]);
    expect(silent.logger.warnings).toEqual([expect.stringContaining('the last event was recorded 365 days ago')]);
  });
});
