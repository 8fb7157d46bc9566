import { describe, expect, it } from '@jest/globals';
import { LastSnapshotFailedError } from 'nestjs-stream-store';
import { numbered, rejectionOf } from '../../support/events.js';
import { ManualClock, settled } from '../../support/waiting/manual-clock.js';
import { Random } from '../../support/worlds/random.js';
import { RecordingCollector, RecordingLogger } from '../../support/recorders.js';
import { scaled } from '../../support/scale.js';
import { MINUTE } from '../../support/store-with.js';
import { SimulatedDisk, systemError } from './simulated-disk.js';
import { DIRECTORY, openOn, snapshotFile, visible } from './stores-on-disk.js';
import { internalsOf } from '../../../lib/store/store-internals.js';

const snapshotsOn = (disk: SimulatedDisk): string[] =>
  disk.names(DIRECTORY).filter((name) => name.startsWith('snapshot-'));

describe('snapshot()', () => {
  it('says what it wrote, and where', async () => {
    const clock = new ManualClock('2024-03-01T12:00:00Z');
    const disk = new SimulatedDisk();
    const store = await openOn(disk, { clock });
    await store.append('a', numbered(1, 3));
    await store.append('b', { type: 't' });

    const snapshot = await store.snapshot();

    expect(snapshot).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      createdAt: new Date('2024-03-01T12:00:00Z'),
      events: 4,
      streams: 2,
      bytes: disk.content(snapshotFile(1)).length,
      location: snapshotFile(1),
    });
    expect((await store.stats()).snapshotsCreated).toBe(1);
    await store.close();
  });

  it('keeps what there is at the call, whatever is appended and removed while it writes', async () => {
    for (let seed = 1; seed <= scaled(8); seed++) {
      const random = new Random(seed);
      const clock = new ManualClock();
      const disk = new SimulatedDisk();
      const store = await openOn(disk, { clock, retentionDuration: 10 * MINUTE });
      for (let n = 0; n < 4; n++) {
        await store.append(`s${n}`, numbered(1, 1 + random.below(2_000)));
        clock.jump(random.below(5) * MINUTE);
      }
      const timeOfTheCall = clock.now();
      const atTheCall = await visible(store, ['c']);
      disk.before = async ({ name }) => {
        // From the first byte on, not before: the call itself must have cut.
        if (!name.startsWith('file.')) return;
        if (random.below(3) === 0) await store.append(`s${random.below(6)}`, numbered(1, 1 + random.below(2_000)));
        if (random.below(6) === 0) clock.jump(20 * MINUTE);
        if (random.below(6) === 0) await store.sweep();
        if (random.below(6) === 0) await internalsOf(store).saveCheckpoint('c', {} as never);
      };

      await store.snapshot();
      disk.before = () => undefined;

      const again = await openOn(disk.copy(), {
        clock: new ManualClock(timeOfTheCall),
        retentionDuration: 10 * MINUTE,
      });
      expect(await visible(again, ['c'])).toBe(atTheCall);
      await again.close();
      await store.close();
    }
  });

  it('called during another one, waits for it and keeps what was appended before the call', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.append('s', { type: 't' });
    const first = store.snapshot();
    await store.append('s', { type: 't' });
    const second = store.snapshot();
    await store.append('s', { type: 't' });
    const third = store.snapshot();

    const events = (await Promise.all([first, second, third])).map(({ events }) => events);

    expect(events).toEqual([1, 3, 3]);
    expect((await second).id).toBe((await third).id);
    expect((await store.stats()).snapshotsCreated).toBe(2);
    expect(snapshotsOn(disk)).toHaveLength(2);
    await store.close();
  });

  it('called during another one that fails, is written all the same', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.append('s', { type: 't' });
    disk.before = () => {
      disk.before = () => undefined;
      throw systemError('ENOSPC');
    };

    const [first, second] = await Promise.allSettled([store.snapshot(), store.snapshot()]);

    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
    await store.close();
  });

  it.each([1, 2, 5])('keeps the newest %d, and leaves files of others alone', async (keepSnapshots) => {
    const disk = new SimulatedDisk();
    const foreign = ['snapshot.bin', 'snapshot-1.bin', 'snapshot-000000000001.bak', 'notes.tmp', 'lock'];
    for (const name of foreign) disk.put(`${DIRECTORY}/${name}`, Buffer.from('mine'));
    const store = await openOn(disk, { engine: { keepSnapshots } });
    for (let n = 1; n <= 7; n++) {
      await store.append('s', { type: 't' });
      await store.snapshot();
    }
    await store.close();

    const kept = Array.from({ length: keepSnapshots }, (_, index) => snapshotFile(7 - index));
    expect(disk.names(DIRECTORY)).toEqual(expect.arrayContaining(foreign));
    expect(disk.names(DIRECTORY).filter((name) => /^snapshot-\d{12}\.bin$/.test(name))).toHaveLength(keepSnapshots);
    for (const path of kept) expect(disk.content(path).length).toBeGreaterThan(0);
  });

  it('is written although an old one cannot be removed; that is reported, and tried again with the next', async () => {
    const disk = new SimulatedDisk();
    const logger = new RecordingLogger();
    const metricsCollector = new RecordingCollector();
    const store = await openOn(disk, { logger, metricsCollector, engine: { keepSnapshots: 1 } });
    await store.snapshot();
    disk.before = ({ name }) => {
      if (name === 'unlink') throw systemError('EIO');
    };
    const { location } = await store.snapshot();
    disk.before = () => undefined;

    expect(location).toBe(snapshotFile(2));
    expect(logger.errors).toEqual([expect.stringMatching(/old snapshots could not be removed.*EIO/)]);
    expect(metricsCollector.backgroundFailures).toEqual([{ store: 'memory-store', operation: 'snapshot.remove' }]);
    await store.snapshot();
    expect(snapshotsOn(disk)).toEqual(['snapshot-000000000003.bin']);
    await store.close();
  });

  it('is also there for a store that nothing was appended to', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);

    expect(await store.snapshot()).toMatchObject({ events: 0, streams: 0 });

    await store.close();
    const again = await openOn(disk);
    expect((await again.append('s', { type: 't' })).globalPosition).toBe(1);
    await again.close();
  });
});

describe('the periodic snapshot', () => {
  it('is written when the interval has passed and something was changed', async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const store = await openOn(disk, { clock, snapshotInterval: '1h' });
    const counts: number[] = [];
    const waitAnHour = async (): Promise<void> => {
      await clock.advance(60 * MINUTE);
      counts.push((await store.stats()).snapshotsCreated);
    };

    await waitAnHour();
    await store.append('s', { type: 't' });
    await waitAnHour();
    await waitAnHour();
    await internalsOf(store).saveCheckpoint('c', {} as never);
    await waitAnHour();

    expect(counts).toEqual([0, 1, 1, 2]);
    await store.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('that fails is reported and counted, and the next one tries again', async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const logger = new RecordingLogger();
    const metricsCollector = new RecordingCollector();
    const store = await openOn(disk, { clock, logger, metricsCollector, snapshotInterval: '1h' });
    await store.append('s', { type: 't' });
    disk.before = () => {
      throw systemError('ENOSPC');
    };
    await clock.advance(60 * MINUTE);
    disk.before = () => undefined;
    const afterFailure = (await store.stats()).snapshotsCreated;
    await clock.advance(60 * MINUTE);

    expect(logger.errors).toEqual([expect.stringMatching(/the periodic snapshot failed.*ENOSPC/s)]);
    expect(metricsCollector.backgroundFailures).toEqual([{ store: 'memory-store', operation: 'snapshot' }]);
    expect([afterFailure, (await store.stats()).snapshotsCreated]).toEqual([0, 1]);
    const durationMs = expect.any(Number);
    const bytes = disk.content(snapshotFile(2)).length;
    expect(metricsCollector.snapshots).toEqual([
      { store: 'memory-store', outcome: 'SNAPSHOT_DISK_FAILED', bytes: 0, durationMs },
      { store: 'memory-store', outcome: 'ok', bytes, durationMs },
    ]);
    await store.close();
  });
});

describe('closing', () => {
  it('writes a last snapshot of what was changed since the one before', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.append('s', { type: 't' });
    await store.snapshot();
    await store.append('s', { type: 't' });
    await store.close();

    const again = await openOn(disk);
    expect((await again.stats()).totalEvents).toBe(2);
    await again.close();
  });

  it('writes none when nothing was changed, be it since the last snapshot or since it was opened', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.append('s', { type: 't' });
    await store.snapshot();
    await store.append('s', []);
    await store.readStream('s');
    await store.close();
    const again = await openOn(disk);
    await again.sweep();
    await again.close();

    expect(snapshotsOn(disk)).toEqual(['snapshot-000000000001.bin']);
  });

  it.each([
    ['a checkpoint', { position: 1 }],
    ['an event that retention removed', undefined],
  ])('keeps %s too', async (_, checkpoint) => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const store = await openOn(disk, { clock, retentionDuration: MINUTE });
    await store.append('s', { type: 't' });
    await store.snapshot();
    if (checkpoint) await internalsOf(store).saveCheckpoint('c', checkpoint as never);
    else clock.jump(2 * MINUTE);
    await store.sweep();
    await store.close();

    expect(snapshotsOn(disk)).toHaveLength(2);
    const again = await openOn(disk);
    expect([await internalsOf(again).loadCheckpoint('c'), (await again.stats()).totalEvents]).toEqual([
      checkpoint,
      checkpoint ? 1 : 0,
    ]);
    await again.close();
  });

  it('waits for a snapshot that is being written', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.append('s', { type: 't' });
    let goOn!: () => void;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    disk.before = ({ name }) => (name === 'rename' ? held : undefined);
    const snapshot = store.snapshot();
    const order: string[] = [];
    const closing = store.close().then(() => order.push('closed'));
    await settled();
    void snapshot.then(() => order.push('written'));
    goOn();
    await closing;

    expect(order).toEqual(['written', 'closed']);
    expect(snapshotsOn(disk)).toHaveLength(1);
  });

  it('closes the store although its last snapshot fails, and says so', async () => {
    const disk = new SimulatedDisk();
    const logger = new RecordingLogger();
    const metricsCollector = new RecordingCollector();
    const store = await openOn(disk, { logger, metricsCollector });
    await store.append('s', { type: 't' });
    await store.snapshot();
    await store.append('s', { type: 't' });
    disk.before = ({ name }) => {
      if (name === 'file.write') throw systemError('ENOSPC');
    };

    const error = await rejectionOf(store.close());
    disk.before = () => undefined;

    expect(error).toBeInstanceOf(LastSnapshotFailedError);
    expect(error).toMatchObject({ storeName: 'memory-store', cause: { systemCode: 'ENOSPC' } });
    expect(logger.errors).toEqual([expect.stringMatching(/last snapshot failed.*ENOSPC/)]);
    expect(metricsCollector.backgroundFailures).toEqual([{ store: 'memory-store', operation: 'snapshot' }]);
    const again = await openOn(disk);
    expect((await again.stats()).totalEvents).toBe(1);
    await again.close();
  });
});
