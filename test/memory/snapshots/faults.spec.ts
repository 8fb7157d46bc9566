import { describe, expect, it } from '@jest/globals';
import { SnapshotDiskError } from 'nestjs-stream-store';
import { dataOf, numbered, rejectionOf } from '../../support/events.js';
import { Random } from '../../support/worlds/random.js';
import { RecordingLogger } from '../../support/recorders.js';
import { SCALE } from '../../support/scale.js';
import { found, type Life, live } from './lives.js';
import { type DiskCall, SimulatedDisk, systemError } from './simulated-disk.js';
import { DIRECTORY, openOn, SimulatedProcesses, snapshotFile, storeOn, visible } from './stores-on-disk.js';

const CODES = ['ENOSPC', 'EIO', 'EROFS', 'EMFILE'];

/** A disk with a snapshot of two events. */
async function diskWithSnapshot(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.append('orders', numbered(1, 2));
  await store.close();
  return disk;
}

describe.each([
  ['before it has done anything', 'before'],
  ['although it has done its work', 'after'],
] as const)('a disk call that fails %s', (_, when) => {
  describe.each([
    ['once', (call: DiskCall, n: number) => call.number === n],
    ['and all that follow', (call: DiskCall, n: number) => call.number >= n],
  ])('%s', (_, fails) => {
    it('whichever it is, leaves the last snapshot as it was, or the new one complete, and is told by its name', async () => {
      const origin = await diskWithSnapshot();
      const codes = SCALE > 1 ? CODES : [undefined];
      for (const everyCode of codes) {
        for (let n = 1, isReached = true; isReached; n++) {
          const code = everyCode ?? CODES[n % CODES.length];
          const disk = origin.copy();
          const life: Life = { states: [await found(origin.copy())], acknowledged: 0 };
          disk[when] = (call) => {
            if (fails(call, n)) throw systemError(code);
          };

          await live(disk, life);

          isReached = disk.calls.length >= n;
          const where = `call ${n}, ${disk.calls[n - 1]?.name}`;
          for (const left of [disk.copy(), disk.crashed(new Random(n)), disk.crashed(new Random(-n))]) {
            const states = life.states.slice(life.acknowledged);
            expect([where, states.indexOf(await found(left)) >= 0]).toEqual([where, true]);
          }
        }
      }
    });
  });
});

describe('a disk that fails for a while', () => {
  it.each(CODES)('(%s) fails the snapshot and not the store, and the next snapshot is written', async (code) => {
    const disk = await diskWithSnapshot();
    const store = await openOn(disk);
    const calls = disk.calls.length;
    await store.append('orders', numbered(3, 3));
    disk.before = ({ name }) => {
      if (name === 'file.write') throw systemError(code);
    };
    const error = await rejectionOf(store.snapshot());
    await store.append('orders', numbered(4, 4));
    disk.before = () => undefined;
    const { events } = await store.snapshot();

    expect(calls).toBeGreaterThan(0);
    expect(error).toBeInstanceOf(SnapshotDiskError);
    expect(error).toMatchObject({ operation: 'write', systemCode: code, cause: { code } });
    expect((error as Error).message).toContain('snapshot-000000000002.tmp');
    expect([events, dataOf(await store.readStream('orders'))]).toEqual([4, [1, 2, 3, 4]]);
    await store.close();
  });

  it('leaves nothing behind of the snapshot that failed', async () => {
    const disk = await diskWithSnapshot();
    const store = await openOn(disk);
    disk.before = ({ name }) => {
      if (name === 'file.sync') throw systemError('EIO');
    };
    await rejectionOf(store.snapshot());
    disk.before = () => undefined;
    await store.close();

    expect(disk.names(DIRECTORY).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it.each(['before', 'after'] as const)(
    'fails the opening of a store %s its work, and another one of the same process is opened later',
    async (when) => {
      const disk = await diskWithSnapshot();
      const state = await found(disk.copy());
      const attempts = (await openingCalls(disk.copy())).length;
      for (let n = 1; n <= attempts; n++) {
        const processes = new SimulatedProcesses().start();
        const failing = disk.copy();
        failing[when] = ({ number }) => {
          if (number === n) throw systemError('EIO');
        };
        const error = await openOn(failing, { processes }).then(
          (store) => store.close(),
          (error: unknown) => error,
        );
        if (error) expect(error).toBeInstanceOf(SnapshotDiskError);
        const store = await openOn(failing, { processes });
        expect(await visible(store, ['billing'])).toBe(state);
        await store.close();
      }
    },
  );

  it('for longer, fails the opening of a store, which itself can be opened again', async () => {
    const disk = await diskWithSnapshot();
    const state = await found(disk.copy());
    const attempts = (await openingCalls(disk.copy())).length;
    for (let n = 1; n <= attempts; n++) {
      const failing = disk.copy();
      failing.before = ({ number }) => {
        if (number >= n) throw systemError('EIO');
      };
      const store = storeOn(failing);
      await rejectionOf(store.open());
      failing.before = () => undefined;
      await store.open();
      expect(await visible(store, ['billing'])).toBe(state);
      await store.close();
    }
  });

  async function openingCalls(disk: SimulatedDisk): Promise<readonly DiskCall[]> {
    const store = await openOn(disk);
    const calls = [...disk.calls];
    await store.close();
    return calls;
  }

  it('while the newest snapshot is read, is no reason to begin with an older one', async () => {
    const disk = await diskWithSnapshot();
    const store = await openOn(disk);
    await store.append('orders', { type: 't' });
    await store.close();
    const logger = new RecordingLogger();
    disk.before = ({ name, path }) => {
      if (name === 'file.read' && path === snapshotFile(2)) throw systemError('EIO');
    };

    const error = await rejectionOf(openOn(disk, { logger }));

    expect(error).toMatchObject({ code: 'SNAPSHOT_DISK_FAILED', operation: 'read', location: snapshotFile(2) });
    expect(logger.errors).toEqual([]);
  });
});

describe('a disk that reads and writes less than it is asked for', () => {
  it.each([1, 7, 100])('(%d bytes at a time) makes no difference', async (mostBytes) => {
    const disk = await diskWithSnapshot();
    disk.mostBytes = mostBytes;
    const store = await openOn(disk);
    await store.append('orders', { type: 't', data: 'x'.repeat(500) });
    const before = await visible(store);
    await store.close();

    const again = await openOn(disk);

    expect(await visible(again)).toBe(before);
    await again.close();
  });

  it('fails, instead of asking for ever, when it writes nothing at all', async () => {
    const disk = await diskWithSnapshot();
    const store = await openOn(disk);
    disk.mostBytes = 0;
    const error = await rejectionOf(store.snapshot());
    disk.mostBytes = Infinity;

    expect((error as Error).message).toMatch(/nothing .* was written/);
    await store.close();
  });
});
