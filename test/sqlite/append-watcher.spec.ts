import { describe, expect, it } from '@jest/globals';
import { START } from 'nestjs-stream-store';
import { dataOf, numbered, take } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingLogger } from '../support/recorders.js';
import { driverAround, sqliteError } from './driver-around.js';
import { engineOn, newFile } from './sqlite-files.js';

describe('a subscription', () => {
  it('gets what another store appends to the same file, after the poll interval', async () => {
    const file = newFile();
    const clock = new ManualClock();
    const [one, two] = [
      await openTestStore({ engine: engineOn(file), clock }),
      await openTestStore({ engine: engineOn(file), clock: new ManualClock() }),
    ];
    await two.append('s', numbered(1, 2));
    const subscription = one.subscribe('s', START);
    const taking = take(subscription, 5);
    await subscription.caughtUp();

    await two.append('s', numbered(3, 5));
    await clock.advance(100);

    expect(dataOf(await taking)).toEqual([1, 2, 3, 4, 5]);
    await subscription.close();
  });
});

describe('a hint', () => {
  async function openListening(failing: { isBroken: boolean } = { isBroken: false }) {
    const file = newFile();
    const clock = new ManualClock();
    const driver = driverAround((sql, run) => {
      if (failing.isBroken && sql === 'PRAGMA data_version') throw sqliteError(10, 'disk I/O error');
      return run();
    });
    const engine = engineOn(file, { driver });
    const logger = new RecordingLogger();
    const failures: string[] = [];
    const metricsCollector = {
      onBackgroundFailure: ({ operation }: { operation: string }) => void failures.push(operation),
    };
    const store = await openTestStore({ engine, clock, logger, metricsCollector });
    const other = await openTestStore({ engine: engineOn(file), clock: new ManualClock() });
    let hints = 0;
    engine.onAppended!(() => void hints++);
    return { store, other, otherEngine: other, clock, logger, failures, hints: () => hints };
  }

  it('comes after an append of another process, and not after one’s own', async () => {
    const { store, other, clock, hints } = await openListening();
    await store.append('s', { type: 't' });
    await clock.advance(500);
    expect(hints()).toBe(0);

    await other.append('s', { type: 't' });
    await clock.advance(500);

    expect(hints()).toBe(1);
  });

  it('is not lost when looking fails for a time, which is reported', async () => {
    const failing = { isBroken: false };
    const { other, clock, hints, logger, failures } = await openListening(failing);
    failing.isBroken = true;
    await other.append('s', { type: 't' });
    await clock.advance(150);
    expect(hints()).toBe(0);
    expect(logger.errors.length).toBeGreaterThan(0);
    expect(failures).toContain('watch');

    failing.isBroken = false;
    await clock.advance(150);

    expect(hints()).toBe(1);
  });
});
