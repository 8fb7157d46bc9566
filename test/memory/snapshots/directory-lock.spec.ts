import { describe, expect, it } from '@jest/globals';
import { SnapshotDirectoryInUseError } from 'nestjs-stream-store';
import { DirectoryLock } from '../../../lib/memory/snapshots/directory-lock.js';
import type { Disk, DiskFile } from '../../../lib/memory/snapshots/disk.js';
import { withClearErrors } from '../../../lib/memory/snapshots/disk-errors.js';
import { numbered, rejectionOf } from '../../support/events.js';
import { Random } from '../../support/worlds/random.js';
import { RecordingLogger } from '../../support/recorders.js';
import { scaled } from '../../support/scale.js';
import { SimulatedDisk } from './simulated-disk.js';
import { DIRECTORY, lockFile, openOn, SimulatedProcesses } from './stores-on-disk.js';

describe('a directory that a store uses', () => {
  it('is refused to the store of another process, by the number of the process that has it', async () => {
    const disk = new SimulatedDisk();
    const processes = new SimulatedProcesses();
    const first = processes.start();
    const store = await openOn(disk, { processes: first });

    const error = await rejectionOf(openOn(disk, { processes: processes.start() }));

    expect(error).toBeInstanceOf(SnapshotDirectoryInUseError);
    expect(error).toMatchObject({
      code: 'SNAPSHOT_DIRECTORY_IN_USE',
      directory: DIRECTORY,
      pid: first.self.pid,
      host: 'simulated',
      lockFile: lockFile(1),
      message: expect.stringContaining(`process ${first.self.pid} on simulated`),
    });
    await store.close();
  });

  it('is refused to a second store of the same process', async () => {
    const disk = new SimulatedDisk();
    const processes = new SimulatedProcesses().start();
    const store = await openOn(disk, { processes });

    await expect(openOn(disk, { processes })).rejects.toBeInstanceOf(SnapshotDirectoryInUseError);

    await store.close();
  });

  it('is free again when that store was closed', async () => {
    const disk = new SimulatedDisk();
    const processes = new SimulatedProcesses();
    for (let n = 1; n <= 3; n++) {
      const store = await openOn(disk, { processes: processes.start() });
      expect((await store.append('s', { type: 't' })).revision).toBe(n);
      await store.close();
    }
  });

  it('is free again when that store could not be opened', async () => {
    const disk = new SimulatedDisk();
    const processes = new SimulatedProcesses().start();
    disk.put(`${DIRECTORY}/snapshot-000000000001.bin`, Buffer.from('damaged'));
    await rejectionOf(openOn(disk, { processes }));
    disk.remove(`${DIRECTORY}/snapshot-000000000001.bin`);

    const store = await openOn(disk, { processes });

    await store.close();
  });

  it('is taken over when its process has ended without closing it, and what is lost is said', async () => {
    const disk = new SimulatedDisk();
    const processes = new SimulatedProcesses();
    const first = processes.start();
    const store = await openOn(disk, { processes: first });
    await store.append('s', numbered(1, 3));
    await store.snapshot();
    await store.append('s', numbered(4, 4));
    first.end();
    const logger = new RecordingLogger();

    const second = await openOn(disk, { processes: processes.start(), logger });

    expect((await second.stats()).totalEvents).toBe(3);
    expect(logger.warnings).toEqual([
      expect.stringMatching(
        `process ${first.self.pid} used .* without closing.* after 2024-01-01T00:00:00.000Z is lost`,
      ),
    ]);
    await second.close();
  });

  it('that was taken over all the same gets no snapshot of the store that had it', async () => {
    const disk = new SimulatedDisk();
    const processes = new SimulatedProcesses();
    const first = await openOn(disk, { processes: processes.start() });
    await first.append('s', numbered(1, 3));
    // Somebody cleans up by hand, although the process runs.
    disk.remove(lockFile(1));
    disk.put(lockFile(1), Buffer.alloc(0));
    const second = await openOn(disk, { processes: processes.start() });

    await expect(first.snapshot()).rejects.toBeInstanceOf(SnapshotDirectoryInUseError);
    await rejectionOf(first.close());

    await expect(openOn(disk, { processes: processes.start() })).rejects.toBeInstanceOf(SnapshotDirectoryInUseError);
    await second.close();
  });

  it.each([
    ['nothing', ''],
    ['a part', '{"pid":1'],
    ['zeros', '\0'.repeat(60)],
    ['something else', '{"pid":-1}'],
    ['null', 'null'],
  ])('is free when the power loss that ended its process left %s of the lock', async (_, content) => {
    const disk = new SimulatedDisk();
    disk.put(lockFile(7), Buffer.from(content));

    const store = await openOn(disk);

    expect(disk.names(DIRECTORY)).toEqual(['lock-000000000008']);
    await store.close();
  });
});

/** A disk as one process sees it: each call takes some turns, and none ends after the process has. */
function diskOf(disk: Disk, random: Random, isAlive: () => boolean): Disk {
  const slow = <Calls extends object>(calls: Calls): Calls =>
    new Proxy(calls, {
      get: (target, name) => {
        // Or a promise would take it for another promise.
        if (name === 'then') return undefined;
        const call = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>;
        return async (...args: unknown[]) => {
          // Now and then one is so slow that others come and go meanwhile.
          const most = random.below(25) === 0 ? 600 : 6;
          for (let turns = random.below(most); turns > 0; turns--) await Promise.resolve();
          if (!isAlive()) return new Promise(() => undefined);
          const answer = await call(...args);
          if (!isAlive()) return new Promise(() => undefined);
          return name === 'create' || name === 'open' ? slow(answer as DiskFile) : answer;
        };
      },
    });
  return withClearErrors(slow(disk));
}

describe('many processes that want one directory', () => {
  it.each(['it is free', 'a process that has ended had it', 'it was never used'])(
    'at once, when %s: exactly one gets it',
    async (before) => {
      for (let seed = 1; seed <= scaled(150); seed++) {
        const random = new Random(seed);
        const disk = new SimulatedDisk();
        const processes = new SimulatedProcesses();
        if (before !== 'it was never used') {
          const first = processes.start();
          const lock = await DirectoryLock.acquire(withClearErrors(disk), DIRECTORY, first, 'first');
          if (before === 'it is free') await lock.release();
          else first.end();
        }
        const contenders = Array.from({ length: 2 + random.below(10) }, () => processes.start());

        const outcomes = await Promise.allSettled(
          contenders.map((process, index) =>
            DirectoryLock.acquire(
              diskOf(disk, random, () => true),
              DIRECTORY,
              process,
              `contender ${index}`,
            ),
          ),
        );

        const won = outcomes.filter(({ status }) => status === 'fulfilled').length;
        const errors = outcomes.flatMap((outcome) =>
          outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
        );
        expect([seed, won]).toEqual([seed, 1]);
        for (const error of errors) expect(error).toBeInstanceOf(SnapshotDirectoryInUseError);
      }
    },
  );

  it('again and again, closing it or ending without: never two have it', async () => {
    let turns = 0;
    for (let seed = 1; seed <= scaled(150); seed++) {
      const random = new Random(seed);
      const disk = new SimulatedDisk();
      const processes = new SimulatedProcesses();
      const holders = new Set<number>();
      const contend = async (): Promise<void> => {
        for (let attempt = 0; attempt < 8; attempt++) {
          const process = processes.start();
          const { pid } = process.self;
          let isAlive = true;
          let end!: () => void;
          const ended = new Promise<undefined>((resolve) => {
            end = () => {
              isAlive = false;
              process.end();
              holders.delete(pid);
              resolve(undefined);
            };
          });
          // Some end on the way, between any two calls.
          let callsLeft = random.below(4) === 0 ? random.below(12) : Infinity;
          const own = diskOf(disk, random, () => isAlive && (callsLeft-- > 0 || (end(), false)));
          const acquired = DirectoryLock.acquire(own, DIRECTORY, process, String(pid)).catch((error: unknown) => {
            expect(error).toBeInstanceOf(SnapshotDirectoryInUseError);
          });
          const lock = await Promise.race([acquired, ended]);
          if (!lock) continue;
          holders.add(pid);
          turns++;
          expect([seed, [...holders]]).toEqual([seed, [pid]]);
          for (let wait = random.below(40); wait > 0; wait--) await Promise.resolve();
          expect([seed, [...holders]]).toEqual([seed, isAlive ? [pid] : [...holders]]);
          if (random.below(3) === 0) end();
          if (!isAlive) continue;
          holders.delete(pid);
          await Promise.race([lock.release(), ended]);
          end();
        }
      };

      await Promise.all(Array.from({ length: 2 + random.below(5) }, contend));

      const last = await DirectoryLock.acquire(withClearErrors(disk), DIRECTORY, processes.start(), 'last');
      await last.release();
    }
    expect(turns).toBeGreaterThan(scaled(500));
  });
});
